/* The values of keys: text into the config. Each setter reads one value of draft->key into what the
 * current section describes, or adds a problem at the place of the draft. */
#pragma once

#include "config/draft.h"

enum key_arity {
    KEY_SINGLE,
    KEY_LIST, /* may be given again, and continued on indented lines */
};

struct key {
    const char *name;
    enum section_kind section;
    enum key_arity arity;
    void (*set)(struct draft *draft, const char *value);
    const char *form; /* what a value is, for messages: "give it FORM" */
};

/* What value.c reads values with; each tells what is wrong with one. */
void value_refuse(struct draft *draft, const char *value);
/* False: refused. */
bool value_number_read(struct draft *draft, const char *value, unsigned min, unsigned max,
                       unsigned *ret);
bool value_duration_read(struct draft *draft, const char *value, uint64_t min_ns, uint64_t max_ns,
                         uint64_t *ret_ns);
/* Which of `words` it is; `count`: none, and that has been told. */
size_t value_word_read(struct draft *draft, const char *value, const char *const *words,
                       size_t count);
/* Each endpoint of a list. */
void value_endpoints_read(struct draft *draft, const char *value,
                          void (*set)(struct draft *draft, const char *text));

void workers_set(struct draft *draft, const char *value);
void sessions_max_set(struct draft *draft, const char *value);
void drain_timeout_set(struct draft *draft, const char *value);
void global_connect_timeout_set(struct draft *draft, const char *value);
void admin_socket_set(struct draft *draft, const char *value);
void admin_listen_set(struct draft *draft, const char *value);
void user_set(struct draft *draft, const char *value);
void sandbox_set(struct draft *draft, const char *value);
void address_set(struct draft *draft, const char *value);
void machine_set(struct draft *draft, const char *value);
void vmm_set(struct draft *draft, const char *value);
void half_close_set(struct draft *draft, const char *value);
void guest_sessions_max_set(struct draft *draft, const char *value);
void listen_set(struct draft *draft, const char *value);
void target_set(struct draft *draft, const char *value);
void ports_set(struct draft *draft, const char *value);
void allow_set(struct draft *draft, const char *value);
void deny_set(struct draft *draft, const char *value);
void connect_timeout_set(struct draft *draft, const char *value);
void wait_for_guest_set(struct draft *draft, const char *value);
void wait_for_set(struct draft *draft, const char *value);
void wait_max_set(struct draft *draft, const char *value);
void route_sessions_max_set(struct draft *draft, const char *value);
void rate_max_set(struct draft *draft, const char *value);
void bandwidth_set(struct draft *draft, const char *value);
void session_bandwidth_set(struct draft *draft, const char *value);
void global_rate_max_set(struct draft *draft, const char *value);
void guest_rate_max_set(struct draft *draft, const char *value);
void source_sessions_max_set(struct draft *draft, const char *value);
void source_rate_max_set(struct draft *draft, const char *value);
void at_limit_set(struct draft *draft, const char *value);
void session_time_set(struct draft *draft, const char *value);
void half_close_timeout_set(struct draft *draft, const char *value);
void idle_timeout_set(struct draft *draft, const char *value);
void dead_guest_probe_set(struct draft *draft, const char *value);
void keepalive_set(struct draft *draft, const char *value);
void backlog_set(struct draft *draft, const char *value);
void mode_set(struct draft *draft, const char *value);
void owner_set(struct draft *draft, const char *value);
void lane_set(struct draft *draft, const char *value);
void accept_proxy_set(struct draft *draft, const char *value);
void send_proxy_set(struct draft *draft, const char *value);
void log_format_set(struct draft *draft, const char *value);
void log_rate_set(struct draft *draft, const char *value);
void global_access_log_set(struct draft *draft, const char *value);
void access_log_set(struct draft *draft, const char *value);
void balance_set(struct draft *draft, const char *value);
void retries_set(struct draft *draft, const char *value);
void fail_max_set(struct draft *draft, const char *value);
void fail_time_set(struct draft *draft, const char *value);
void check_set(struct draft *draft, const char *value);
void check_interval_set(struct draft *draft, const char *value);
void check_timeout_set(struct draft *draft, const char *value);
void check_send_set(struct draft *draft, const char *value);
void check_expect_set(struct draft *draft, const char *value);
void check_rise_set(struct draft *draft, const char *value);
void check_fall_set(struct draft *draft, const char *value);
