/* What a guest's VMM makes of a connection (docs/vmm.md). */
#pragma once

#include "config/config.h"

/* Must an end-of-file to the guest wait until the other direction has ended? fd: a connection with
 * it or its VMM, which, where the configuration does not name it, is looked for behind the socket.
 * guest NULL: no. */
bool vmm_holds_half_close(const struct guest *guest, int fd);
