/* The table of close reasons, and what a failed connect means. */
#include "proxy/reason.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

static const struct {
    const char *token;
    const char *text;
    bool whole;
} reasons[] = {
#define REASON_ROW(NAME, token_, whole_, text_) \
    [REASON_##NAME] = {.token = token_, .text = text_, .whole = whole_},
    REASON_TABLE(REASON_ROW)
#undef REASON_ROW
};

const char *reason_token(enum reason reason)
{
    return reasons[reason].token;
}

const char *reason_text(enum reason reason)
{
    return reasons[reason].text;
}

bool reason_whole(enum reason reason)
{
    return reasons[reason].whole;
}

const char *reason_detail(enum reason reason, int error)
{
    if (reason == REASON_NAME_UNRESOLVED)
        return gai_strerror(error);
    if (reason == REASON_PROXY_GARBAGE && error == -EBADMSG)
        return "its CRC32c is wrong";
    return error ? strerror(-error) : "no system error";
}

/* A vsock connect tells the phase of a guest's life by its errno: ENODEV where no VMM serves the
 * CID, ETIMEDOUT while the guest's kernel does not answer, ECONNRESET where it answers that nobody
 * listens. */
static enum reason reason_of_vsock(int error)
{
    switch (-error) {
    case ENODEV: return REASON_GUEST_OFF;
    case ETIMEDOUT: return REASON_GUEST_BOOTING;
    case ECONNREFUSED:
    case ECONNRESET: return REASON_GUEST_NO_SERVICE;
    default: return REASON_TARGET_UNREACHABLE;
    }
}

/* A VMM serves its socket for as long as it runs; it refuses a port while the guest boots and where
 * it lacks the service. */
unsigned reason_guest_phases(enum reason reason)
{
    switch (reason) {
    case REASON_GUEST_OFF:
    case REASON_MACHINE_UNKNOWN:
    case REASON_TARGET_REFUSED:
    case REASON_TARGET_MISSING: return GUEST_PHASE_OFF;
    case REASON_GUEST_BOOTING:
    case REASON_MUX_SILENT: return GUEST_PHASE_BOOTING;
    case REASON_GUEST_NO_SERVICE: return GUEST_PHASE_SERVICE;
    case REASON_MUX_REFUSED: return GUEST_PHASE_BOOTING | GUEST_PHASE_SERVICE;
    default: return 0;
    }
}

enum reason reason_of_connect(enum transport transport, int error)
{
    switch (-error) {
    case EMFILE:
    case ENFILE: return REASON_NO_DESCRIPTORS;
    case ENOMEM:
    case ENOBUFS: return REASON_NO_MEMORY;
    case EACCES:
    case EPERM: return REASON_TARGET_DENIED;
    default: break;
    }
    if (transport == TRANSPORT_VSOCK)
        return reason_of_vsock(error);
    switch (-error) {
    case ECONNREFUSED:
    case ECONNRESET: return REASON_TARGET_REFUSED;
    case ETIMEDOUT: return REASON_TARGET_TIMEOUT;
    case EAGAIN: return REASON_TARGET_BUSY;
    case ENOENT: return REASON_TARGET_MISSING;
    default: return REASON_TARGET_UNREACHABLE;
    }
}
