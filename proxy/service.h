/* What `vsluice run` runs. Of the main thread. */
#pragma once

#include "config/config.h"
#include "proxy/added_routes.h"
#include "proxy/admin.h"
#include "proxy/admin_actions.h"
#include "proxy/drains.h"
#include "proxy/entrances.h"
#include "proxy/guest_routes.h"
#include "proxy/notify.h"
#include "proxy/orders.h"
#include "proxy/privilege.h"
#include "proxy/uses.h"
#include "proxy/workers.h"

struct service {
    struct config *config;
    struct uses uses;
    struct entrances entrances;
    struct workers *workers;
    struct guest_routes *guest_routes; /* NULL: there is no [guest *] */
    struct admin *admin;               /* NULL: none is configured */
    struct admin *admin_tcp;           /* NULL: none is configured */
    struct admin_actions actions;
    struct orders orders;
    struct added_routes added;
    struct drains drains;
    struct notify notify;
    struct privilege privilege;
    bool reload_refused; /* the latest */
    int argc;            /* of the command, which says what to read anew */
    char **argv;
    int signals;
    bool broken; /* a ring failed: its sessions are left as they were */
};

/* The configuration with the routes that were added at run time: as its files are now, or, where
 * `again`, as they were. `more`: another text, or NULL. 0: *ret is the caller's; else every mistake
 * is in `problems`. */
int service_read(const struct service *service, bool again, const struct config_text *more,
                 struct problems *problems, struct config **ret);

/* All of it or nothing; drained routes listen nowhere. Takes the config. NULL, or what is wrong. */
const char *service_apply(struct service *service, struct config *config);

/* Which address it was that service_apply() could not have, the first of them, where that is known;
 * the log has it already. */
void service_tell_address(const struct service *service, struct problems *problems);

/* Reads the configuration anew. false: there are mistakes, for which nothing has changed:
 * *ret_mistakes, a line for each, is the caller's to free; NULL: out of memory. */
bool service_reload(struct service *service, char **ret_mistakes);
