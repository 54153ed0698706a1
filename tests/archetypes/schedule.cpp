// The least that models scheduler, and near misses that must not.
#include "verbatim/schedule/first_come.hpp"

namespace {
using namespace verbatim;

struct idle { void operator()(std::span<waiting const>, std::span<running const>, batch& out) const { out.clear(); } };
static_assert(scheduler<idle> && scheduler<first_come>);

struct has_state { void operator()(std::span<waiting const>, std::span<running const>, batch&) { ++steps; } int steps = 0; };
struct reorders { void operator()(std::span<waiting>, std::span<running const>, batch&) const {} };
struct returns_a_batch { batch operator()(std::span<waiting const>, std::span<running const>) const { return {}; } };
static_assert(!scheduler<has_state> && !scheduler<reorders> && !scheduler<returns_a_batch>);
}  // namespace
