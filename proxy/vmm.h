/* What a guest's VMM makes of a connection (docs/vmm.md). */
#pragma once

#include "config/config.h"

/* On which VMM the guest runs: as the configuration names it or, where that is GUEST_VMM_AUTO, as
 * far as the name of the process behind a connection with it, fd, tells. */
enum guest_vmm vmm_find(const struct guest *guest, int fd);

/* Must an end-of-file to the guest wait until the other direction has ended? */
bool vmm_holds_half_close(const struct guest *guest, enum guest_vmm vmm);

/* How many sessions may be open with the guest, to it and from it. A little fewer than the VMM
 * takes: it frees a connection later than vsluice does. `found`: the VMM that it was found to run
 * on. */
#define VMM_SESSIONS_MAX 1020
unsigned vmm_sessions_max(const struct guest *guest, enum guest_vmm found);
