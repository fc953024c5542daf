/* One random run of several sessions, all of it decided by a seed, and what must hold whatever
 * happens. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Ends the process with the seed when something does not hold. */
void scenario_run(uint64_t seed, bool trace);

/* Runs seeds first .. first + count - 1; whatever ends the process (a failed check, an assertion, a
 * sanitizer's report) tells the seed and how to run it again. */
void scenario_run_many(uint64_t first, uint64_t count);

/* VSLUICE_SEED: the one seed to run, with a trace; VSLUICE_SEEDS: how many. */
bool scenario_seed_asked(uint64_t *ret_seed);
uint64_t scenario_seeds(uint64_t otherwise);
