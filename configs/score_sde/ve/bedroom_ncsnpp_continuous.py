r"""NCSN++ with the VE SDE on LSUN bedrooms at 256x256 (Song et al. 2021, arXiv:2011.13456).

The data are the images of LSUN bedrooms (www.yf.io/p/lsun) as files, in one folder or in folders
train/ and test/.

Command: python main.py --config=configs/score_sde/ve/bedroom_ncsnpp_continuous.py \
    --workdir=runs/score_sde_ve_bedroom_ncsnpp --config.data.path=IMAGES
Figure: the paper shows samples, no number (appendix H.3); not measured here.
Time: 2.4 million steps at batch 64 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.ve(published.ncsnpp_skips(published.large()))
