/* Who may connect to a route: what the kernel knows of an initiator, against `allow` and `deny` and
 * the CID of a guest that the route listens for. */
#pragma once

#include "config/address.h"
#include "proxy/opening.h"

#include <stdbool.h>

#define ADMISSION_TEXT_BYTES ENDPOINT_TEXT_BYTES

/* May it connect? Where not, who it is is in `from`; "": it has left already. What cannot be known
 * is not granted. */
bool admission_grants(const struct opening *opening, enum transport transport, int fd,
                      char from[static ADMISSION_TEXT_BYTES]);
