"""Mutations of the code that some test must catch: a measure of what the tests are worth.

``make mutations`` applies one small mutation at a time (a sign, a factor, a missing check, an
off-by-one) to a copy of the checkout, runs the tests named for it and reports whether one failed.
Run it before and after a change of the tests. `python tests/mutations.py WORD ...` runs those whose
file contains one of the words; with ``--check``, only whether each old text still occurs once.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LEFT_OUT = (".git", ".venv", ".jax_cache", "__pycache__", "runs", "build", "_build", "shared")


class Mutation(NamedTuple):
    """A text of a file that occurs once, what takes its place, and the tests that must fail."""

    file: str
    old: str
    new: str
    tests: str


MUTATIONS = [
    Mutation(file, old, new, tests)
    for file, old, new, tests in [
        # --- codec
        (
            "gradlog/codec/ans.py",
            "words[-1 - count : -1] ^= pad[:count]",
            "words[-1 - count : -1] ^= 0 * pad[:count]",
            "tests/codec/test_codecs.py",
        ),
        (
            "gradlog/codec/ans.py",
            "self._below(below).push(coder, -self._window - 1 - offsets[below])",
            "self._below(below).push(coder, 0 * offsets[below])",
            "tests/codec/test_codecs.py",
        ),
        (
            "gradlog/codec/bits_back.py",
            "kept * self._widths[i] * points + (1 - kept) * clean[row]",
            "clean[row]",
            "tests/codec/test_codecs.py",
        ),
        (
            "gradlog/codec/file.py",
            "if zlib.crc32(data[_CRC.size :]) != own:",
            "if False:",
            "tests/codec/test_code_file.py",
        ),
        (
            "gradlog/evaluation/compression.py",
            'if wanted["parameters"] != digest_params(params):',
            "if False:",
            "tests/test_compression.py",
        ),
        # --- sde_lib
        (
            "sde_lib/vp.py",
            "0.5 * t * (self.beta_max - self.beta_min)",
            "t * (self.beta_max - self.beta_min)",
            "tests/sde_lib/test_sdes.py",
        ),
        (
            "sde_lib/subvp.py",
            "-beta * jnp.expm1(-2 * self.integrated_beta(t))",
            "-beta * jnp.expm1(-self.integrated_beta(t))",
            "tests/sde_lib/test_sdes.py",
        ),
        (
            "sde_lib/ve.py",
            "2 * rate * self.sigma(t) ** 2",
            "rate * self.sigma(t) ** 2",
            "tests/sde_lib/test_sdes.py",
        ),
        (
            "sde_lib/straight.py",
            "return -1 / (1 - t), 2 * t / (1 - t)",
            "return 1 / (1 - t), 2 * t / (1 - t)",
            "tests/sde_lib/test_sdes.py",
        ),
        (
            "sde_lib/base.py",
            "jnp.log(std) + 0.5 * math.log(2 * math.pi)",
            "0.5 * math.log(2 * math.pi)",
            "tests/sde_lib",
        ),
        (
            "sde_lib/ddpm.py",
            "jnp.ceil(jnp.asarray(t) * self.num_steps) - 1",
            "jnp.ceil(jnp.asarray(t) * self.num_steps)",
            "tests/sde_lib/test_ddpm_chain.py",
        ),
        (
            "sde_lib/log_snr.py",
            "and ends[0] >= ends[1]",
            "and ends[0] > ends[1] + 1e3",
            "tests/sde_lib/test_log_snr.py",
        ),
        # --- models
        (
            "models/parametrizations.py",
            "noise = (rho * y / total - self.sigma_data * output) / total",
            "noise = (rho * y / total + self.sigma_data * output) / total",
            "tests/models/test_parametrizations.py",
        ),
        (
            "models/parametrizations.py",
            "(alpha * network_fn(x, t) - a * x)",
            "(alpha * network_fn(x, t) + a * x)",
            "tests/models/test_parametrizations.py",
        ),
        (
            "models/dequantizers.py",
            "constant = -math.log(mass) - 0.5 * math.log(2 * math.pi)",
            "constant = math.log(mass) - 0.5 * math.log(2 * math.pi)",
            "tests/models/test_dequantizers.py tests/likelihood/test_truncated_normal.py",
        ),
        (
            "models/dequantizers.py",
            "jnp.clip(k, 0, self.levels - 1)",
            "jnp.clip(k, 0, self.levels)",
            "tests/models/test_dequantizers.py tests/likelihood/test_bits.py",
        ),
        (
            "models/energy.py",
            "- 0.5 * jnp.sum(output**2)",
            "+ 0.5 * jnp.sum(output**2)",
            "tests/models/test_energy.py::test_right_network_gives_another_gaussian",
        ),
        (
            "models/noise_labels.py",
            "(first - last) * (self.num_scales - 1)",
            "(first - last) * self.num_scales",
            "tests/models/test_ladder.py",
        ),
        (
            "models/noise_labels.py",
            "return self.num_steps * jnp.asarray(t) / process.t_max - 1",
            "return self.num_steps * jnp.asarray(t) / process.t_max",
            "tests/losses/test_discrete.py",
        ),
        (
            "models/classifier.py",
            "process.alpha(t) ** 2 + process.sigma(t) ** 2",
            "process.alpha(t) ** 2 + process.sigma(t)",
            "tests/models/test_classifier.py",
        ),
        # --- losses
        (
            "losses/denoising.py",
            "0.5 * (process.sigma(t) * model.score(x, t)",
            "(process.sigma(t) * model.score(x, t)",
            "tests/losses/test_estimators.py tests/losses/test_objectives.py",
        ),
        (
            "losses/kernels.py",
            "-math.sqrt(2) * jnp.sign(n)",
            "-jnp.sign(n)",
            "tests/losses/test_kernels.py",
        ),
        (
            "losses/finite_difference.py",
            "dot_per_slice(total, total) / 8",
            "dot_per_slice(total, total) / 4",
            "tests/losses/test_estimators.py",
        ),
        (
            "losses/sliced.py",
            "+ 0.5 * dot_per_slice(vs, score) ** 2",
            "+ dot_per_slice(vs, score) ** 2",
            "tests/losses/test_estimators.py",
        ),
        (
            "losses/second_order.py",
            "jnp.vdot(fixed, v) - v",
            "jnp.vdot(fixed, v) + v",
            "tests/losses/test_second_order.py tests/losses/test_estimators.py",
        ),
        (
            "losses/weightings.py",
            "return 2 * process.log_rho_rate(t)",
            "return process.log_rho_rate(t)",
            "tests/losses/test_times.py",
        ),
        (
            "losses/times.py",
            "(u - cumulative[cell]) / mass",
            "u / mass",
            "tests/losses/test_times.py",
        ),
        (
            "losses/times.py",
            "jnp.floor(u * self.num_steps) + 1, self.num_steps",
            "jnp.floor(u * self.num_steps), self.num_steps",
            "tests/losses/test_discrete.py",
        ),
        (
            "losses/scalings.py",
            "(2.0 if self.reduce_mean else dims)",
            "(1.0 if self.reduce_mean else dims)",
            "tests/losses/test_score_flow.py",
        ),
        (
            "losses/generator.py",
            "self.generated_log_density(x, t) - self.data_log_density(x, t)",
            "self.data_log_density(x, t) - self.generated_log_density(x, t)",
            "tests/losses/test_generator.py",
        ),
        (
            "losses/random_keys.py",
            "_AUGMENTATION = 3",
            "_AUGMENTATION = 2",
            "tests/losses/test_example_keys.py",
        ),
        # --- sampling
        (
            "sampling/transitions.py",
            "-jnp.expm1(2 * (process.log_rho(t_next)",
            "-jnp.expm1((process.log_rho(t_next)",
            "tests/sampling/test_limits.py tests/sampling/test_predictors_and_correctors.py",
        ),
        (
            "sampling/predictors.py",
            "return (2 - a) * x + share",
            "return (1 - a) * x + share",
            "tests/sampling/test_predictors_and_correctors.py",
        ),
        (
            "sampling/predictors.py",
            "step * (f * x - share * g2 * model.score(x, t))",
            "step * (f * x - g2 * model.score(x, t))",
            "tests/sampling/test_orders.py tests/sampling/test_predictors_and_correctors.py",
        ),
        (
            "sampling/dpm_solver.py",
            "-jnp.expm1(-2 * h)\n",
            "-jnp.expm1(-h)\n",
            "tests/sampling/test_limits.py",
        ),
        (
            "sampling/heun.py",
            "width * 0.5 * (slope + slope_next)",
            "width * 0.5 * (slope + slope)",
            "tests/sampling/test_orders.py",
        ),
        (
            "sampling/correctors.py",
            "jnp.minimum(2 * (a * self.snr",
            "jnp.minimum((a * self.snr",
            "tests/sampling/test_predictors_and_correctors.py",
        ),
        (
            "sampling/langevin.py",
            "y + 0.5 * step * alpha *",
            "y + step * alpha *",
            "tests/sampling/test_langevin.py",
        ),
        (
            "sampling/guidance.py",
            "weight * (class_score - unconditional(x, t))",
            "weight * (class_score + unconditional(x, t))",
            "tests/sampling/test_guidance.py",
        ),
        (
            "sampling/replacement.py",
            "systematic_resample(-0.5 * squares",
            "systematic_resample(0.5 * squares",
            "tests/sampling/test_replacement.py::test_particles_and_not_correctors_give_the_right_weights_of_modes",
        ),
        (
            "sampling/unmasking.py",
            "(before - after + sigma * visible) / before",
            "(before - after) / before",
            "tests/sampling/test_unmasking.py",
        ),
        (
            "sampling/unmasking.py",
            "masked = hidden & next_masks(",
            "masked = next_masks(",
            "tests/sampling/test_unmasking.py",
        ),
        (
            "sampling/unmasking.py",
            "likelier = jnp.cumsum(down, axis=-1) - down",
            "likelier = jnp.cumsum(down, axis=-1)",
            "tests/sampling/test_unmasking.py",
        ),
        (
            "losses/level_masked.py",
            "0.5 * (first + second + of_law)",
            "0.5 * (first + second)",
            "tests/losses/test_level_masked.py",
        ),
        (
            "losses/level_masked.py",
            "jnp.exp(log_probs) @ rates - rates[x0]",
            "0.0",
            "tests/losses/test_level_masked.py",
        ),
        # --- likelihood
        (
            "likelihood/mmse.py",
            " + jnp.mean(above) - below",
            " - below",
            "tests/likelihood/test_mmse.py",
        ),
        (
            "likelihood/mmse.py",
            " + jnp.mean(above) - below",
            " + jnp.mean(above)",
            "tests/likelihood/test_mmse.py",
        ),
        (
            "likelihood/masked.py",
            "ratios = jnp.exp(log_means[::-1] - log_means)",
            "ratios = jnp.ones(2)",
            "tests/likelihood/test_masked.py",
        ),
        (
            "likelihood/bits.py",
            "np.full(len(next(iter(parts.values()))), -dims * log_scale)",
            "np.full(len(next(iter(parts.values()))), dims * log_scale)",
            "tests/likelihood/test_bits.py",
        ),
        (
            "likelihood/bits.py",
            "np.std(values, ddof=1) / math.sqrt(n)",
            "np.std(values) / math.sqrt(n)",
            "tests/likelihood/test_bits.py",
        ),
        (
            "likelihood/start.py",
            "+ sum_over(process.log_alpha(eps), x)",
            "- sum_over(process.log_alpha(eps), x)",
            "tests/likelihood/test_bound.py tests/likelihood/test_vlb.py",
        ),
        (
            "likelihood/bound.py",
            "jnp.expm1(2 * width) / (2 * width)",
            "jnp.expm1(2 * width) / width",
            "tests/likelihood/test_vlb.py",
        ),
        (
            "likelihood/bound_forms.py",
            "score**2 + 2 * v * product",
            "score**2 + v * product",
            "tests/likelihood/test_bound.py",
        ),
        (
            "likelihood/quadrature.py",
            "_END_WEIGHTS = (3 / 8, 7 / 6, 23 / 24)",
            "_END_WEIGHTS = (1 / 2, 1.0, 1.0)",
            "tests/likelihood/test_quadrature.py::test_rule_is_of_order_four",
        ),
        (
            "likelihood/probe_allocation.py",
            "half.count * share * difference**2",
            "half.count * difference**2",
            "tests/likelihood/test_probe_allocation.py",
        ),
        (
            "likelihood/divergences/hutchpp.py",
            "residual = v - (v @ Q) @ Q.T",
            "residual = v + (v @ Q) @ Q.T",
            "tests/likelihood/test_hutchpp.py",
        ),
        (
            "likelihood/divergences/base.py",
            "jnp.var(draws, axis=-1, ddof=1) / n",
            "jnp.var(draws, axis=-1, ddof=1)",
            "tests/likelihood/test_divergence.py",
        ),
        (
            "likelihood/divergences/coloring.py",
            "if used < count and moved.any()",
            "if moved.any()",
            "tests/likelihood/test_coloring.py",
        ),
        # --- ode
        (
            "gradlog/ode/flow.py",
            "f * state - 0.5 * g2 * model.score",
            "f * state - g2 * model.score",
            "tests/likelihood/test_ode_truth.py",
        ),
        (
            "gradlog/ode/multistep.py",
            "[1 / 2, 1 / 3], [1 / 2, 1 / 3], [1, 1 / 6]",
            "[1 / 2, 1 / 3], [1 / 2, 1 / 6], [1, 1 / 3]",
            "tests/ode/test_multistep.py",
        ),
        (
            "gradlog/ode/runge_kutta.py",
            "_EVALUATIONS_TO_START = 1",
            "_EVALUATIONS_TO_START = 2",
            "tests/ode/test_runge_kutta.py",
        ),
        # --- distributions
        (
            "gradlog/distributions/empirical.py",
            "logits = jnp.where(start + jnp.arange(size) >= first, logits, -jnp.inf)",
            "logits = jnp.where(start + jnp.arange(size) >= 0, logits, -jnp.inf)",
            "tests/distributions/test_empirical.py",
        ),
        (
            "gradlog/distributions/mixture.py",
            "self.responsibilities(x, alpha, sigma) @ (within + between)",
            "self.responsibilities(x, alpha, sigma) @ within",
            "tests/distributions/test_entropy_and_posterior.py",
        ),
        (
            "gradlog/distributions/stationary.py",
            "return jnp.sum(sigma**2 * self.power / self.spectrum(alpha, sigma))",
            "return jnp.sum(sigma * self.power / self.spectrum(alpha, sigma))",
            "tests/distributions/test_entropy_and_posterior.py",
        ),
        # --- theory
        (
            "gradlog/theory/entropies.py",
            "return 0.5 * g2 * mean + math.prod(law.shape) * f",
            "return 0.5 * g2 * mean - math.prod(law.shape) * f",
            "tests/theory/test_entropies.py",
        ),
        (
            "gradlog/theory/ddpm.py",
            "0.5 * jnp.expm1(2 * jnp.diff",
            "0.5 * jnp.expm1(jnp.diff",
            "tests/theory/test_ddpm.py",
        ),
        (
            "gradlog/theory/linear_model.py",
            "pull = (1 + noise) * sigma**2",
            "pull = (1 - noise) * sigma**2",
            "tests/theory/test_linear_model.py",
        ),
        (
            "gradlog/theory/fokker_planck.py",
            "_GAMMA = 1 - np.sqrt(0.5)",
            "_GAMMA = 0.5 - np.sqrt(0.125)",
            "tests/theory/test_bound_on_the_kl.py::test_the_density_of_a_linear_model_is_its_gaussian_to_second_order_in_the_grid",
        ),
        # --- data
        (
            "gradlog/data/batches.py",
            "int(step) * self.batch_size",
            "int(step) * (self.batch_size - 1)",
            "tests/data/test_data_batches.py",
        ),
        (
            "gradlog/data/dataset.py",
            "return np.sort(order[num_test:]), np.sort(order[:num_test])",
            "return np.sort(order[num_test - 1 :]), np.sort(order[:num_test])",
            "tests/data/test_data_dataset.py",
        ),
        (
            "gradlog/data/walk.py",
            "if is_link and any(Path(above).is_relative_to(place) for above in chain):",
            "if False:",
            "tests/data/test_data_folder.py",
        ),
        (
            "gradlog/data/sets.py",
            "if unclear or len(of_role) < len(roles) or TRAIN not in of_role:",
            "if len(of_role) < len(roles) or TRAIN not in of_role:",
            "tests/data/test_data_folder.py",
        ),
        # --- storage
        (
            "gradlog/storage/checkpoints.py",
            "sorted(notes)[-self.last :]",
            "sorted(notes)[: self.last]",
            "tests/storage/test_checkpoints.py",
        ),
        (
            "gradlog/storage/checkpoints.py",
            "if complaints:\n                continue",
            "if False:\n                continue",
            "tests/storage/test_checkpoints.py",
        ),
        (
            "gradlog/storage/manifest.py",
            "if self.step != step:",
            "if self.step > step:",
            "tests/storage/test_checkpoints.py",
        ),
        (
            "gradlog/storage/metrics.py",
            'if later["step"] <= earlier["step"]',
            'if later["step"] < earlier["step"]',
            "tests/storage/test_metrics.py",
        ),
        (
            "gradlog/storage/lock.py",
            "fcntl.LOCK_EX | fcntl.LOCK_NB",
            "fcntl.LOCK_SH | fcntl.LOCK_NB",
            "tests/storage/test_lock.py",
        ),
        # --- training
        (
            "gradlog/training/step.py",
            "a + r * (p - a)",
            "a - r * (p - a)",
            "tests/training/test_step.py",
        ),
        (
            "gradlog/training/step.py",
            "(state.skipped < self.max_skips)",
            "(state.skipped <= self.max_skips)",
            "tests/training/test_step.py tests/training/test_loop.py",
        ),
        (
            "gradlog/training/optimizer.py",
            "return lambda count: ramp(count) * schedule(count)",
            "return lambda count: ramp(count + 1) * schedule(count)",
            "tests/training/test_learning_rate.py",
        ),
        (
            "gradlog/training/loop.py",
            "batch = stream.slice(step - 1,",
            "batch = stream.slice(step,",
            "tests/training/test_loop.py",
        ),
        (
            "gradlog/training/trainable.py",
            "x[:, ::-1], x)",
            "x[::-1], x)",
            "tests/training/test_augmentation.py",
        ),
        # --- experiment
        (
            "gradlog/experiment/schema.py",
            'most = high if interval.endswith("]") else math.nextafter(high, low)',
            "most = high",
            "tests/test_configs.py::test_a_number_outside_its_range_is_refused_by_its_key_and_no_other_is",
        ),
        (
            "gradlog/experiment/schema.py",
            "if key not in found:",
            "if False:",
            "tests/test_schema.py",
        ),
        (
            "gradlog/experiment/keys.py",
            '"model", "objective", "optimizer")',
            '"model", "objective")',
            "tests/test_configs.py::test_the_identity_holds_what_a_training_depends_on_and_nothing_else",
        ),
        (
            "gradlog/experiment/compat.py",
            'if process == "ve" else "beta"',
            'if process == "vp" else "beta"',
            "tests/test_compat.py",
        ),
        (
            "gradlog/experiment/notes.py",
            "if estimators and not without_eps and config.likelihood.eps > trained:",
            "if estimators and config.likelihood.eps < trained:",
            "tests/cli/test_command_line.py",
        ),
        # --- evaluation
        (
            "gradlog/evaluation/uncertainty.py",
            "special.stdtrit(self.count - 1, (1 + LEVEL) / 2)",
            "special.stdtrit(self.count - 1, LEVEL)",
            "tests/evaluation/test_uncertainty.py",
        ),
        (
            "gradlog/evaluation/comparison.py",
            "both = minuend.ok & subtrahend.ok",
            "both = minuend.ok | subtrahend.ok",
            "tests/evaluation/test_comparison.py",
        ),
        (
            "gradlog/evaluation/quality/kernel.py",
            "(gram.sum() - np.trace(gram))",
            "gram.sum()",
            "tests/evaluation/test_quality.py",
        ),
        (
            "gradlog/evaluation/quality/frechet.py",
            "shift = -left.sum(axis=0) / count",
            "shift = left.sum(axis=0) / count",
            "tests/evaluation/test_frechet_groups.py",
        ),
        (
            "gradlog/evaluation/batch_cache.py",
            'arrays.pop("indices", np.zeros(0)), indices)',
            'arrays.pop("indices", np.zeros(0))[:0], indices[:0])',
            "tests/evaluation/test_batch_cache.py",
        ),
        (
            "gradlog/evaluation/classification.py",
            "self.log_likelihoods.astype(np.float64) + self.log_prior",
            "self.log_likelihoods.astype(np.float64)",
            "tests/evaluation/test_classification.py",
        ),
        # --- sweeps
        (
            "gradlog/sweeps/crossed_effects.py",
            "of_seeds - of_rest) / values.size",
            "of_seeds + of_rest) / values.size",
            "tests/sweeps/test_crossed_effects.py",
        ),
        (
            "gradlog/sweeps/plan.py",
            "if settings in digests:",
            "if False:",
            "tests/sweeps/test_plan.py",
        ),
        (
            "gradlog/sweeps/results.py",
            "values[:1] - values[1:]",
            "values[1:] - values[:1]",
            "tests/sweeps/test_results.py",
        ),
        # --- report
        (
            "gradlog/report/formatting.py",
            "if value < 60:",
            "if value < 600:",
            "tests/report/test_formatting.py",
        ),
        (
            "gradlog/report/charts.py",
            "_COST if value > 0 else _GAIN",
            "_COST if value < 0 else _GAIN",
            "tests/report/test_charts.py",
        ),
        # --- cli
        (
            "gradlog/cli/flags.py",
            "if self.jobs < 0:",
            "if self.jobs < -1:",
            "tests/cli/test_command_line.py tests/sweeps/test_sweep_command.py",
        ),
        (
            "gradlog/cli/flags.py",
            '**dict.fromkeys(("false", "f", "0", "no"), False),',
            '**dict.fromkeys(("false", "f", "0"), False),',
            "tests/cli/test_command_line.py",
        ),
        # --- one file each
        (
            "gradlog/fitting.py",
            "params = jax.tree.map(jnp.asarray, step.fetch(state.ema))",
            "params = jax.tree.map(jnp.asarray, step.fetch(state.params))",
            "tests/test_fitting.py::test_each_group_of_parameters_has_its_own_optimizer_or_none "
            "tests/test_fitting.py::test_a_fitted_model_has_likelihoods_and_samples_of_data_with_levels",
        ),
        (
            "gradlog/distributed.py",
            "0 <= self.index < (self.count",
            "0 <= self.index <= (self.count",
            "tests/test_hosts.py::test_impossible_hosts_are_refused_before_anyone_waits",
        ),
        (
            "gradlog/supervisor.py",
            "if killed_by in self._passed_on:",
            "if False:",
            "tests/test_supervisor.py",
        ),
        (
            "gradlog/terminal.py",
            "_PIPED_WIDTH = 1000",
            "_PIPED_WIDTH = 40",
            "tests/test_terminal.py",
        ),
        (
            "gradlog/aliases.py",
            "for key, table in VALUES.items()}",
            "for key, table in ()}",
            "tests/storage/test_version_0_1.py tests/test_workdir_0_1.py",
        ),
        (
            "sde_lib/uniform.py",
            "jnp.where(count > 0, (length + 1) * t / jnp.maximum(count, 1), 1.0)",
            "(length + 1) * t / jnp.maximum(count, 1)",
            "tests/likelihood/test_jump_bound.py",
        ),
        (
            "sde_lib/uniform.py",
            "law - jnp.take_along_axis(law, x[..., None], axis=-1)",
            "law",
            "tests/sde_lib/test_uniform.py",
        ),
        (
            "losses/score_entropy.py",
            "jnp.where(possible, excess, jnp.exp(log_s))",
            "jnp.where(possible, excess, 0.0)",
            "tests/losses/test_score_entropy.py",
        ),
        (
            "studies/denoising_density.py",
            "len(dataset.test) <= len(dataset.train)",
            "len(dataset.test) >= 0",
            "tests/studies/test_requirements.py",
        ),
    ]
]


def main() -> int:
    """Apply the mutations one by one. Return the exit status: 0 if all are caught."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="parts of the names of mutated files")
    parser.add_argument("--check", action="store_true", help="run no tests")
    options = parser.parse_args()
    chosen = [
        each
        for each in MUTATIONS
        if not options.words or any(word in each.file for word in options.words)
    ]
    for each in chosen:
        count = (ROOT / each.file).read_text().count(each.old)
        if count != 1:
            print(f"error: {each.file} holds {each.old!r} {count} times, not once")
            return 2
    if options.check:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
        (ROOT / ".jax_cache").mkdir(exist_ok=True)
        (copy / ".jax_cache").symlink_to(ROOT / ".jax_cache")
        missed = 0
        for number, each in enumerate(chosen, 1):
            path = copy / each.file
            whole = path.read_text()
            path.write_text(whole.replace(each.old, each.new))
            status = run_tests(copy, each.tests.split())
            path.write_text(whole)
            missed += status != 1
            told = {0: "MISSED", 1: "caught"}.get(status, f"pytest's status {status}:")
            print(f"{number:3} {told} {each.file}: {each.old!r} -> {each.new!r}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} mutations are caught")
    return int(missed > 0)


def run_tests(copy: Path, tests: list[str]) -> int:
    """Return pytest's exit status: 0 if all tests pass, 1 if one fails, else it could not run."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
