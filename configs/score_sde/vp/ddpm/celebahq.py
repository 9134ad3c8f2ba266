r"""DDPM on CelebA-HQ at 256x256 (Ho et al. 2020, arXiv:2006.11239), as in score_sde.

The data are the images of CelebA-HQ (github.com/tkarras/progressive_growing_of_gans) as files, in
one folder or in folders train/ and test/.

Command: python main.py --config=configs/score_sde/vp/ddpm/celebahq.py \
    --workdir=runs/score_sde_vp_ddpm_celebahq --config.data.path=IMAGES
Figure: the paper shows samples, no number (figure 3 of the paper); not measured here.
Time: 2.4 million steps at batch 64 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.chain(published.ddpm_large(published.large()))
