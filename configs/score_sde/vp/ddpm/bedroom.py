r"""DDPM on LSUN bedrooms at 256x256 (Ho et al. 2020, arXiv:2006.11239), as score_sde has it.

The data are a folder of images, or of train/ and test/: those of LSUN bedrooms (www.yf.io/p/lsun)
as files.

Command: python main.py --config=configs/score_sde/vp/ddpm/bedroom.py \
    --workdir=runs/score_sde_vp_ddpm_bedroom --config.data.path=IMAGES
Figure: FID 6.36 in the paper (table 3); not measured here.
Time: 2.4 million steps at batch 64 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.chain(published.ddpm_large(published.large()))
