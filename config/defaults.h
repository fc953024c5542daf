/* What holds where the configuration says nothing. */
#pragma once

#include <stdint.h>

#define DEFAULT_NS_PER_S           UINT64_C(1000000000)
#define DEFAULT_DRAIN_TIMEOUT_NS   (30 * DEFAULT_NS_PER_S)
#define DEFAULT_CONNECT_TIMEOUT_NS (5 * DEFAULT_NS_PER_S)
#define DEFAULT_LOG_RATE           1000
#define DEFAULT_WAIT_MAX           1000
#define DEFAULT_KEEPALIVE_NS       (60 * DEFAULT_NS_PER_S)
#define DEFAULT_BACKLOG            4096
#define DEFAULT_GUEST_PROBE_NS     (60 * DEFAULT_NS_PER_S)
#define DEFAULT_FAIL_MAX           3
#define DEFAULT_FAIL_NS            (10 * DEFAULT_NS_PER_S)
#define DEFAULT_CHECK_INTERVAL_NS  (5 * DEFAULT_NS_PER_S)
#define DEFAULT_CHECK_TIMEOUT_NS   (2 * DEFAULT_NS_PER_S)
#define DEFAULT_CHECK_RISE         2
#define DEFAULT_CHECK_FALL         3
