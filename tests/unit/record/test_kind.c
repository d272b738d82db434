#include "record/kind.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void kinds_round_trip(void **state)
{
    for (int i = KIND_NONE + 1; i < KIND_COUNT_; i++) {
        enum error_kind kind = KIND_NONE;
        assert_int_equal(kind_parse(kind_name((enum error_kind)i), &kind), 0);
        assert_int_equal(kind, i);
    }
    assert_string_equal(kind_name(KIND_NONE), "none");
    assert_string_equal(kind_name(KIND_UNVERIFIED_END), "unverified_end");
    assert_string_equal(kind_name(KIND_FIRST_BYTE_TIMEOUT), "first_byte_timeout");
    assert_string_equal(kind_name(KIND_INTERNAL), "internal");
}

static void unknown_names_leave_the_result_alone(void **state)
{
    enum error_kind kind = KIND_TLS;
    enum event event = EVENT_STOP;
    enum job_state job = JOB_DONE;
    assert_int_equal(kind_parse("", &kind), -EINVAL);
    assert_int_equal(kind_parse("none", &kind), -EINVAL);
    assert_int_equal(kind_parse("TLS", &kind), -EINVAL);
    assert_int_equal(event_parse("records", &event), -EINVAL);
    assert_int_equal(job_state_parse("don", &job), -EINVAL);
    assert_int_equal(kind, KIND_TLS);
    assert_int_equal(event, EVENT_STOP);
    assert_int_equal(job, JOB_DONE);
}

static void events_are_bits(void **state)
{
    static const char *const names[] = {"start", "record", "attempt", "verdict", "stop", "revoke"};
    unsigned all = 0;
    for (unsigned i = 0; i < 6; i++) {
        enum event event = EVENT_ALL;
        assert_int_equal(event_parse(names[i], &event), 0);
        assert_int_equal(event, 1u << i);
        assert_string_equal(event_name(event), names[i]);
        all |= event;
    }
    assert_int_equal(all, EVENT_ALL);
    enum event event = EVENT_STOP;
    assert_int_equal(event_parse("audit", &event), -EINVAL); /* nobody gets it by asking for all */
    assert_string_equal(event_name(EVENT_AUDIT), "audit");
}

static void states_and_verifications_have_their_names(void **state)
{
    for (int i = 0; i < JOB_STATE_COUNT_; i++) {
        enum job_state job = JOB_STATE_COUNT_;
        assert_int_equal(job_state_parse(job_state_name((enum job_state)i), &job), 0);
        assert_int_equal(job, i);
        assert_int_equal(!!job_state_final(job), i >= JOB_DONE);
    }
    assert_string_equal(job_state_name(JOB_CANCELLED), "cancelled");
    assert_string_equal(verified_name(VERIFIED_NONE), "none");
    assert_string_equal(verified_name(VERIFIED_HTTP2), "http2");
    assert_string_equal(verified_name(VERIFIED_HTTP3), "http3");
    assert_string_equal(verified_name(VERIFIED_ENOUGH), "enough");
    for (int i = 0; i < VERIFIED_COUNT_; i++)
        assert_non_null(verified_name((enum verified_by)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_round_trip),
        cmocka_unit_test(unknown_names_leave_the_result_alone),
        cmocka_unit_test(events_are_bits),
        cmocka_unit_test(states_and_verifications_have_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
