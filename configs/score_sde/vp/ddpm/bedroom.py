r"""DDPM on LSUN bedrooms at 256x256 (Ho et al. 2020, arXiv:2006.11239), as in score_sde.

The data are the images of LSUN bedrooms (www.yf.io/p/lsun) as files, in one folder or in folders
train/ and test/.

Command: python main.py --config=configs/score_sde/vp/ddpm/bedroom.py \
    --workdir=runs/score_sde_vp_ddpm_bedroom --config.data.path=IMAGES
Figure: FID 6.36 in the paper (table 3); not measured here.
Time: 2.4 million steps at batch 64 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.chain(published.ddpm_large(published.large()))
