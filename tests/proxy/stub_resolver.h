/* A resolver that answers from a table, at once or in virtual time, in place of proxy/resolver.c.
 */
#pragma once

#include "proxy/resolver.h"

/* What a name resolves to, of a host or a machine; names that were not told do not resolve
 * (EAI_NONAME, -ENXIO) at once. addresses: a reference that is the stub's from here on, NULL with
 * `error` (EAI_..., for a machine a negative errno). delay_ns: 0: known at once; UINT64_MAX: never
 * answered. */
void stub_resolver_tell(struct resolver *resolver, const char *host, struct addresses *addresses,
                        int error, uint64_t delay_ns);

/* How often it was asked. */
unsigned stub_resolver_asked(const struct resolver *resolver);
