"""An energy on 1/5 N([-1.5,-1.5], I) + 4/5 N([1.5,1.5], I), its density read off against the ODE's.

At noise of std 0.26. It is taught the exact score: what is compared are two readings of one
network. With samples alone (--config.objective.name=dsm) both readings are as uncertain as the
valley between the modes is: 0.2 nats across from 2.5 million draws, 0.1 from 20 million.

Command: python main.py --config=configs/toy/energy.py --workdir=runs/energy --mode=study
Figure: differences of log densities agree to 0.012 nats (rms) within a mode and 0.013 across.
Time: half a minute on two CPU cores.
"""

from configs import default


def get_config():
    config = default.get_config()
    config.data.update(name="mixture", centre=1.5, num_train=100_000)
    config.model.update(name="mlp", hidden=64, num_layers=2, dropout=0.0)
    config.model.update(parametrisation="energy", energy_scale="data", sigma_data=1.5)
    config.model.update(label="log_rho", embedding_type="fourier_linear", fourier_scale=0.15)
    config.objective.update(name="esm", eps=0.08)
    config.optimizer.update(learning_rate=2e-3, warmup=100, grad_clip=10.0, ema_decay=0.999)
    config.optimizer.update(schedule="cosine", decay_steps=5000)
    config.training.update(steps=5000, batch_size=512, checkpoint_every=0, eval_every=0)
    config.eval.batch_size = 500
    config.likelihood.update(divergence="exact", start="as_sample", eps=0.08)
    config.sampling.update(name="probability_flow", num_samples=2000, batch_size=2000, eps=0.08)
    config.study.update(name="energy", extent=5.0)
    return config
