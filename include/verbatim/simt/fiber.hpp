// A context with a stack of its own, to which a scheduler switches and which switches back: one CUDA thread of the host executor.
// On x86-64 a switch is ten instructions; elsewhere it is swapcontext, which also enters the kernel twice. AddressSanitizer is
// told of every switch. A fiber that is abandoned halfway runs no destructors: bodies keep plain values only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#if defined(__SANITIZE_ADDRESS__)
#define VERBATIM_FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VERBATIM_FIBER_ASAN 1
#endif
#endif
#if defined(VERBATIM_FIBER_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__) || defined(VERBATIM_FIBER_UCONTEXT)
#define VERBATIM_FIBER_PORTABLE 1
#include <ucontext.h>
#endif

namespace verbatim::simt {

namespace detail {
#if defined(VERBATIM_FIBER_PORTABLE)
using context = ucontext_t;
inline void switch_context(context& from, context& to) { swapcontext(&from, &to); }
#else
using context = void*;   // the stack pointer; the rest lies on the stack
/// Saves what the calling convention asks a callee to keep, changes stacks, restores.
__attribute__((naked, noinline)) inline void switch_context(context& /*from: rdi*/, context& /*to: rsi*/) {
  asm volatile(
      "pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
      "movq %rsp, (%rdi)\n movq (%rsi), %rsp\n"
      "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n");
}
#endif
}  // namespace detail

class fiber {
 public:
  /// Kernel bodies keep little; sanitizers and unoptimised code keep more.
  static constexpr std::size_t stack_bytes = 256 * 1024;

  /// From the next `resume` on runs entry(argument). `entry` must end with `suspend`, never return.
  void start(void (*entry)(void*), void* argument) {
    if (!stack_) stack_.reset(new char[stack_bytes]);   // not cleared: untouched pages cost nothing
    entry_ = entry, argument_ = argument;
#if defined(VERBATIM_FIBER_PORTABLE)
    getcontext(&own_);
    own_.uc_stack.ss_sp = stack_.get();
    own_.uc_stack.ss_size = stack_bytes;
    own_.uc_link = nullptr;
    auto const self = reinterpret_cast<std::uintptr_t>(this);
    makecontext(&own_, reinterpret_cast<void (*)()>(&from_halves), 2, unsigned(self >> 16 >> 16), unsigned(self));
#else
    auto const top = reinterpret_cast<std::uintptr_t>(stack_.get() + stack_bytes) & ~std::uintptr_t(15);
    auto* words = reinterpret_cast<void**>(top);
    *--words = nullptr;                                     // where a return address would be: aligns the first frame
    *--words = reinterpret_cast<void*>(&from_global);       // popped by `ret`
    for (int i = 0; i < 6; ++i) *--words = nullptr;
    own_ = words;
#endif
  }
  /// Called by the scheduler: runs the fiber until it suspends.
  void resume() {
    starting() = this;
#if defined(VERBATIM_FIBER_ASAN)
    void* mine = nullptr;
    __sanitizer_start_switch_fiber(&mine, stack_.get(), stack_bytes);
#endif
    detail::switch_context(scheduler_, own_);
#if defined(VERBATIM_FIBER_ASAN)
    __sanitizer_finish_switch_fiber(mine, nullptr, nullptr);
#endif
  }
  /// Called within the fiber: back to the scheduler.
  void suspend() {
#if defined(VERBATIM_FIBER_ASAN)
    void* mine = nullptr;
    __sanitizer_start_switch_fiber(&mine, scheduler_stack_, scheduler_bytes_);
#endif
    detail::switch_context(own_, scheduler_);
#if defined(VERBATIM_FIBER_ASAN)
    __sanitizer_finish_switch_fiber(mine, &scheduler_stack_, &scheduler_bytes_);
#endif
  }

 private:
  static fiber*& starting() {
    static thread_local fiber* f = nullptr;
    return f;
  }
  static void from_global() { starting()->run(); }
  static void from_halves(unsigned high, unsigned low) { reinterpret_cast<fiber*>(std::uintptr_t(high) << 16 << 16 | low)->run(); }
  void run() {
#if defined(VERBATIM_FIBER_ASAN)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack_, &scheduler_bytes_);
#endif
    entry_(argument_);
  }

  std::unique_ptr<char[]> stack_;
  detail::context own_{}, scheduler_{};
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
#if defined(VERBATIM_FIBER_ASAN)
  void const* scheduler_stack_ = nullptr;
  std::size_t scheduler_bytes_ = 0;
#endif
};

}  // namespace verbatim::simt
