r"""NCSN++ with the VE SDE on FFHQ at 1024x1024 (Song et al. 2021, arXiv:2011.13456).

The data are the images of FFHQ (github.com/NVlabs/ffhq-dataset) as files, in one folder or in
folders train/ and test/.

Command: python main.py --config=configs/score_sde/ve/ffhq_ncsnpp_continuous.py \
    --workdir=runs/score_sde_ve_ffhq_ncsnpp --config.data.path=IMAGES
Figure: samples are published, no number (with the official checkpoints); not measured here.
Time: 2.4 million steps at batch 8 (not measured here).
"""

from gradlog.configs import published


def get_config():
    config = published.ve(published.ncsnpp_megapixel(published.megapixel()))
    config.optimizer.ema_decay = 0.9999
    config.objective.reduce_mean = True
    return config
