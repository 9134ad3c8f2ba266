r"""NCSN++ with the VE SDE on CelebA-HQ at 1024x1024 (Song et al. 2021, arXiv:2011.13456).

The data are the images of CelebA-HQ (github.com/tkarras/progressive_growing_of_gans) as files, in
one folder or in folders train/ and test/.

Command: python main.py --config=configs/score_sde/ve/celebahq_ncsnpp_continuous.py \
    --workdir=runs/score_sde_ve_celebahq_ncsnpp --config.data.path=IMAGES
Figure: the paper shows samples, no number (figure 12 of the paper); not measured here.
Time: 2.4 million steps at batch 8 (not measured here).
"""

from gradlog.configs import published


def get_config():
    config = published.ve(published.ncsnpp_megapixel(published.megapixel()))
    config.optimizer.ema_decay = 0.9999
    return config
