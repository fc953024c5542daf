/* What every Prometheus exporter tells of its own process, by the usual names. */
#pragma once

#include "proxy/exposition.h"

/* Families process_*; those that /proc does not tell are left out. */
void admin_process_print(struct exposition *exposition);
