r"""DDPM on CelebA-HQ at 256x256 (Ho et al. 2020, arXiv:2006.11239), as score_sde has it.

The data are a folder of images, or of train/ and test/: those of CelebA-HQ
(github.com/tkarras/progressive_growing_of_gans) as files.

Command: python main.py --config=configs/score_sde/vp/ddpm/celebahq.py \
    --workdir=runs/score_sde_vp_ddpm_celebahq --config.data.path=IMAGES
Figure: samples alone are published (figure 3 of the paper); not measured here.
Time: 2.4 million steps at batch 64 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.chain(published.ddpm_large(published.large()))
