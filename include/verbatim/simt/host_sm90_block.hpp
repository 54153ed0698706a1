// A block of a kernel for sm_90a on a CPU: of Hopper the protocol – barriers with phases and bytes, copies that land some time after
// they were asked for, groups of products, the pool of registers. The first defect ends the block as `protocol_defect`, with its
// line. Copies land one by one, whenever a seed says so, at the latest when nothing else moves: what is read early is not there.
#pragma once
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "verbatim/simt/host_sm90_threads.hpp"
#include "verbatim/simt/sm90.hpp"

namespace verbatim::simt {

class host_sm90_block : public host_sm90_threads {
 public:
  using body = void (*)(void const* closure, host_sm90_block& self, int thread);
  using rule = protocol_defect::rule;

  host_sm90_block(launch_shape shape, std::uint64_t seed) : host_sm90_threads(shape, seed) {
    memory_.resize(std::size_t(shape.shared));
    barrier_at_.resize(std::size_t(shape.shared) / 8 + 1);
  }
  void run(int x, int y, int z, void const* closure, body call) {
    x_ = x, y_ = y, z_ = z, closure_ = closure, call_ = call;
    run_threads();
    check_end();
  }

  // Barriers.
  void barrier_init(barrier b, int arrivals, location where) {
    if (b.offset < 0 || b.offset % 8 || b.offset + 8 > int(memory_.size())) fail(rule::barrier_use, "a barrier outside shared memory or not at a multiple of 8", where);
    if (barrier_at_[std::size_t(b.offset / 8)] >= 0) fail(rule::barrier_use, "a barrier is made where one is", where);
    if (arrivals < 1 || arrivals >= 1 << 20) fail(rule::barrier_use, "a barrier of that many arrivals", where);
    if (int(barriers_.size()) == max_barriers) fail(rule::barrier_use, "more barriers than the model has", where);
    auto& c = cells_[std::size_t(b.offset / 16)];
    if (c.kind != content::nothing && c.kind != content::a_barrier) fail(rule::barrier_use, "a barrier over other data", where);
    c.write(content::a_barrier, current_, me().seen.known[std::size_t(current_)]);
    barrier_at_[std::size_t(b.offset / 8)] = int(barriers_.size());
    counter made;
    made.arrivals = made.pending = arrivals, made.maker = current_, made.made = me().seen.known[std::size_t(current_)];
    made.gathering.reset(components());
    barriers_.push_back(made);
  }
  void arrive(barrier b, int bytes, location where) {
    counter& c = find(b, false, where);
    if (c.phase > 0 && !c.observed) fail(rule::barrier_use, "an arrival in a phase after one that nobody waited for", where);
    if (c.pending == 0) fail(rule::barrier_use, "more arrivals than the barrier's phase has", where);
    if (bytes < 0 || c.bytes + bytes >= 1 << 20) fail(rule::barrier_use, "more bytes than a barrier counts", where);
    c.gathering.join(me().seen);
    ++me().seen.known[std::size_t(current_)];
    c.bytes += bytes, --c.pending;
    end_phase(c);
  }
  /// mbarrier.try_wait: the parity names the current phase, which has not ended, or the one before, which has.
  void wait(barrier b, int parity, location where) {
    counter& c = find(b, false, where);
    if (parity != 0 && parity != 1) fail(rule::barrier_use, "a parity that is neither 0 nor 1", where);
    std::size_t const which = std::size_t(&c - barriers_.data());
    while (int(barriers_[which].phase & 1) == parity) park(int(which), where);
    counter& done = barriers_[which];
    if (done.phase == 0) return;   // the phase before the first counts as ended
    done.observed = true;
    me().seen.join(done.ended);
  }
  /// cp.async.bulk: addresses and size are multiples of 16.
  void copy_bulk(int to, void const* from, std::size_t bytes, barrier b, bool dependent, location where) {
    counter& c = find(b, true, where);
    if (dependent && !me().waited) fail(rule::dependency, "a copy of what the launch before makes, without a wait for it", where);
    if (!me().waited && plain().may_change(from, bytes)) fail(rule::dependency, "a copy of what a launch before has stored, which may still run", where);
    if (to < 0 || to % 16 || bytes % 16 || bytes == 0 || reinterpret_cast<std::uintptr_t>(from) % 16) throw defect(defect::kind::misaligned, "a bulk copy" + at(where));
    if (std::size_t(to) + bytes > memory_.size()) throw defect(defect::kind::out_of_bounds, "a bulk copy ends outside shared memory" + at(where));
    for (std::size_t i = std::size_t(to) / 16; i < (std::size_t(to) + bytes) / 16; ++i) {
      before_write(cells_[i], true, int(i) * 16, where);
      cells_[i].write(content::landing, 0, 0);
    }
    landing_.push_back({to, static_cast<unsigned char const*>(from), bytes, int(&c - barriers_.data()), where});
  }
  void proxy_fence() { me().seen.fence(); }

  // Ordinary accesses, 16 bytes each.
  void read(int offset, void* to, location where) {
    auto& c = cell(offset, where);
    before_read(c, false, offset, where);
    c.readers.emplace_back(current_, me().seen.known[std::size_t(current_)]);
    std::memcpy(to, memory_.data() + offset, 16);
  }
  void write(int offset, void const* from, location where) {
    auto& c = cell(offset, where);
    before_write(c, false, offset, where);
    c.write(content::ordinary, current_, me().seen.known[std::size_t(current_)]);
    std::memcpy(memory_.data() + offset, from, 16);
  }

  // Products of matrices, 9.7.15. All threads of a warpgroup do the same: number and operands are compared.
  using step = detail::warpgroup_step;
  void in_step(step s) {
    auto& log = steps_[std::size_t(current_ / warpgroup_threads)];
    std::size_t const mine = me().steps++;
    if (mine == log.size()) log.push_back(s);
    step const& theirs = log[mine];
    if (theirs.kind != s.kind || theirs.a != s.a || theirs.b != s.b || theirs.n != s.n || theirs.where.line() != s.where.line())
      fail(rule::divergent, "thread " + std::to_string(current_) + " does what others of its warpgroup do not, who are" + at(theirs.where) + ", it is", s.where);
  }
  /// Eight bf16 at a swizzled place, which the warp's next group reads.
  void product_read(std::uint32_t address, float* eight, location where) {
    auto& c = cell(int(address), where);
    before_read(c, true, int(address), where);
    c.products[std::size_t(current_ / warp_lanes)] = me().committed + 1;
    bf16 raw[8];
    std::memcpy(raw, memory_.data() + address, 16);
    for (int i = 0; i < 8; ++i) eight[i] = to_float(raw[i]);
  }
  /// The group that products belong to until the next commit.
  std::uint32_t issue() { return me().issued = me().committed + 1; }
  void commit() { ++me().committed; }
  /// A warp waits as one (.sync.aligned): before, some of its threads would still be reading what another one lets go.
  void complete(int but, location where) {
    arrive_all(my_warp(), first_of_warp(), warp_lanes, false, where);
    auto& t = me();
    if (t.committed > std::uint32_t(but)) t.completed = std::max(t.completed, t.committed - std::uint32_t(but));
    t.seen.learn(std::size_t(first_warp() + current_ / warp_lanes), t.completed);
  }
  std::uint32_t completed() const { return me().completed; }
  std::uint32_t fences() const { return me().fences; }
  void fence() { ++me().fences; }

  /// setmaxnreg: 24 to 256, a multiple of 8; what one warpgroup gives up another may take, and waits for.
  void registers(int count, bool more, location where) {
    auto& t = me();
    if (count < 24 || count > 256 || count % 8 || (more ? count < t.registers : count > t.registers)) fail(rule::registers, "that number of registers", where);
    while (more && free_registers_ < count - t.registers) park(pool, where);
    free_registers_ += t.registers - count, t.registers = count;
    wake(pool);
  }
  void dependency_wait() { me().waited = true; }
  bool waited() const { return me().waited; }

  int x() const noexcept { return x_; }
  int y() const noexcept { return y_; }
  int z() const noexcept { return z_; }

 private:
  using content = detail::shared_cell::content;
  using counter = detail::counter;
  static constexpr int pool = -2;

  void begin() override {
    host_sm90_threads::begin();
    free_registers_ = 0;
    landing_.clear(), barriers_.clear();
    barriers_.reserve(max_barriers);
    steps_.assign(threads_.size() / warpgroup_threads + 1, {});
    std::fill(memory_.begin(), memory_.end(), static_cast<unsigned char>(0xCD));
    std::fill(barrier_at_.begin(), barrier_at_.end(), -1);
    cells_.assign(memory_.size() / 16 + 1, {});
    for (auto& t : threads_) t.registers = 65536 / int(threads_.size()) / 8 * 8;   // what a launch of these threads can have, one block an SM
  }
  void run_body(int thread) override {
    call_(closure_, *this, thread);
    if (me().issued > me().completed) throw protocol_defect(rule::in_flight, "thread " + std::to_string(thread) + " ends before its products do");
  }
  bool something_under_way() const override { return !landing_.empty(); }
  void let_one_arrive(std::uint64_t chance) override { land(std::size_t(chance % landing_.size())); }
  counter& find(barrier b, bool by_copy, location where) {
    int const i = b.offset < 0 || b.offset % 8 || b.offset + 8 > int(memory_.size()) ? -1 : barrier_at_[std::size_t(b.offset / 8)];
    if (i < 0) fail(rule::barrier_use, "no barrier was made at shared byte " + std::to_string(b.offset), where);
    counter& c = barriers_[std::size_t(i)];
    if (me().seen.known[std::size_t(c.maker)] < c.made) fail(rule::not_acquired, "a barrier is used before its making is known", where);
    if (by_copy && me().seen.fenced[std::size_t(c.maker)] < c.made) fail(rule::no_fence, "a copy tells a barrier that was made without a fence", where);
    return c;
  }
  void end_phase(counter& c) {
    if (c.pending > 0 || c.bytes != 0) return;
    int const i = int(&c - barriers_.data());
    ++c.phase, c.pending = c.arrivals, c.observed = false;
    c.gathering.learn(threads_.size() + std::size_t(i), c.phase);
    c.ended = c.gathering;
    wake(i);
  }
  void land(std::size_t i) {
    auto const c = landing_[i];
    landing_.erase(landing_.begin() + std::ptrdiff_t(i));
    std::memcpy(memory_.data() + c.to, c.from, c.bytes);
    counter& told = barriers_[std::size_t(c.tells)];
    for (std::size_t j = std::size_t(c.to) / 16; j < (std::size_t(c.to) + c.bytes) / 16; ++j)
      cells_[j].write(content::landed, int(threads_.size()) + c.tells, told.phase + 1);
    told.bytes -= std::int64_t(c.bytes), told.last_copy = c.where, told.told = true;
    end_phase(told);
  }
  detail::shared_cell& cell(int offset, location where) {
    if (offset < 0 || offset + 16 > int(memory_.size())) throw defect(defect::kind::out_of_bounds, "shared byte " + std::to_string(offset) + at(where));
    if (offset % 16) throw defect(defect::kind::misaligned, "shared byte " + std::to_string(offset) + at(where));
    return cells_[std::size_t(offset / 16)];
  }
  std::string place_of(int offset) const { return "shared byte " + std::to_string(offset) + " by thread " + std::to_string(current_); }
  void before_read(detail::shared_cell const& c, bool asynchronous, int offset, location where) {
    if (c.kind == content::nothing) throw defect(defect::kind::unwritten_shared, "a read before any write of " + place_of(offset) + at(where));
    if (auto const v = detail::may_read(c, me().seen, asynchronous); v.text) fail(v.broken, v.text + place_of(offset), where);
  }
  void before_write(detail::shared_cell const& c, bool asynchronous, int offset, location where) {
    if (auto const v = detail::may_write(c, me().seen, first_warp(), asynchronous); v.text) fail(v.broken, v.text + place_of(offset), where);
  }
  void check_end() const {
    if (!landing_.empty()) fail(rule::in_flight, "the block ends before a copy that it asked for", landing_.front().where);
    for (auto const& c : barriers_)
      if (c.told && !c.observed) fail(rule::in_flight, "the block ends and nobody waited for its last copy", c.last_copy);
    for (auto const& t : threads_) {
      auto const& all = steps_[std::size_t(t.id / warpgroup_threads)];
      if (t.steps != all.size()) fail(rule::divergent, "thread " + std::to_string(t.id) + " leaves out what its warpgroup does", all[t.steps].where);
    }
  }

  int x_ = 0, y_ = 0, z_ = 0, free_registers_ = 0;
  std::vector<int> barrier_at_;
  std::vector<unsigned char> memory_;
  std::vector<detail::shared_cell> cells_;
  std::vector<counter> barriers_;
  std::vector<detail::copy_under_way> landing_;
  std::vector<std::vector<step>> steps_;
  void const* closure_ = nullptr;
  body call_ = nullptr;
};

}  // namespace verbatim::simt
