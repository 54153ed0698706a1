// The least that models kv_cache, and near misses that must not.
#include <vector>

#include "verbatim/cache/contiguous.hpp"
#include "verbatim/cache/paged.hpp"
#include "verbatim/cache/sliding.hpp"

namespace {
using namespace verbatim;

struct least {
  static constexpr int page = 1;
  struct view {};
  struct book {
    explicit book(int) {}
    prefix_match match(std::span<token const>) const { return {}; }
    std::optional<sequence> open(std::span<token const>, int) { return {}; }
    int length(sequence) const { return 0; }
    bool reserve(sequence, int) { return false; }
    void commit(sequence, std::span<token const>) {}
    std::optional<sequence> fork(sequence) { return {}; }
    void release(sequence) {}
    std::span<int const> pages(sequence) const { return {}; }
    int shared_pages(sequence) const { return 0; }
    std::span<page_copy const> copies() const { return {}; }
    void copies_done() {}
    int free_pages() const { return 0; }
    int used_pages() const { return 0; }
    int total_pages() const { return 0; }
    void flush() {}
    void set_version(std::uint64_t) {}
  };
};
static_assert(kv_cache<least> && kv_cache<paged<16>> && kv_cache<paged<1>> && kv_cache<contiguous<64>> && kv_cache<sliding<64>>);

struct owning_view : least { struct view { std::vector<int> pages; }; };
struct no_page { using view = least::view; using book = least::book; };
struct forgetful : least { struct book : least::book { using least::book::book; void release(sequence) = delete; }; };
struct changes_on_match : least {
  struct book : least::book { using least::book::book; prefix_match match(std::span<token const>) { return {}; } };
};
struct not_sized : least { struct book : least::book { book() : least::book(1) {} }; };
static_assert(!kv_cache<owning_view> && !kv_cache<no_page> && !kv_cache<forgetful> && !kv_cache<changes_on_match> && !kv_cache<not_sized>);
}  // namespace
