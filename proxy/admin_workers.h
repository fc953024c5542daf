/* Metrics of the workers: how lanes move bytes, what is borrowed, what waits. */
#pragma once

#include "proxy/exposition.h"

struct workers;

void admin_workers_print(struct exposition *exposition, const struct workers *workers);
