r"""NCSN++ with the VE SDE on CelebA-HQ at 256x256 (Song et al. 2021, arXiv:2011.13456).

The data are the images of CelebA-HQ (github.com/tkarras/progressive_growing_of_gans) as files, in
one folder or in folders train/ and test/.

Command: python main.py --config=configs/score_sde/ve/celebahq_256_ncsnpp_continuous.py \
    --workdir=runs/score_sde_ve_celebahq_256_ncsnpp --config.data.path=IMAGES
Figure: samples are published, no number (with the official checkpoints); not measured here.
Time: 2.4 million steps at batch 64 (not measured here).
"""

from gradlog.configs import published


def get_config():
    config = published.ve(published.ncsnpp_skips(published.large()))
    config.sde.sigma_max = 348.0
    return config
