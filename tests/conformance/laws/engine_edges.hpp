// The engine at its edges: full contexts, pools that a request fills, shared pages under pressure, groups that only score, weights that are
// not numbers, and caches that are not the default one.
#pragma once
#include "subject.hpp"

namespace laws {

inline std::vector<token> counting_prompt(int size, int first = 3) {
  std::vector<token> out(static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i) out[std::size_t(i)] = 3 + (first + 7 * i) % 250;
  return out;
}

/// What one submitted request heard, per continuation.
struct heard_each {
  std::vector<int> started, finished, tokens;
  std::vector<verbatim::finish_reason> why;
  std::string error;
  explicit heard_each(int count) : started(std::size_t(count)), finished(started), tokens(started), why(started.size()) {}
  verbatim::event_sink sink() {
    return [this](event const& e) {
      auto const i = std::size_t(e.index);
      CHECK(finished[i] == 0);
      if (e.what == event::kind::started) ++started[i];
      if (e.what == event::kind::token) ++tokens[i];
      if (e.what != event::kind::finished) return;
      ++finished[i], why[i] = e.finish;
      if (!e.error.empty()) error = e.error;
    };
  }
  bool all_once() const {
    for (std::size_t i = 0; i < started.size(); ++i)
      if (started[i] != 1 || finished[i] != 1) return false;
    return true;
  }
};

/// P has pages of 16 tokens here: so many of them hold a context of 16 times as many.
template <class P> std::size_t room_for_pages(subject const& s, int pages) { return bytes_of_pages(verbatim::engine<P>(s.config()), pages); }

template <class P> void groups_that_only_score_are_finished(subject const& s) {
  verbatim::engine<P> engine(s.config());
  for (int alternatives : {-1, 0, 2}) {
    heard_each h(3);
    engine.submit({.prompt = counting_prompt(20), .max_tokens = 0, .count = 3, .prompt_logprobs = alternatives}, h.sink());
    REQUIRE(drain(engine));
    CAPTURE(alternatives);
    CHECK(h.all_once());
    CHECK(h.tokens == std::vector<int>{0, 0, 0});
  }
  CHECK(engine.stats().pages_used == 0);
}

template <class P> void full_contexts_run_again_from_the_cache(subject const& s) {
  auto config = s.config();
  config.max_batch = 4, config.context = 64, config.kv_bytes = room_for_pages<P>(s, 4);
  verbatim::engine<P> engine(config);
  REQUIRE(engine.resources().kv_pages == 4);
  REQUIRE(engine.context() == 64);
  for (int size : {64, 64, 63, 63, 48, 49}) {
    heard_each h(2);
    engine.submit({.prompt = counting_prompt(size), .max_tokens = size < 64 ? 5 : 0, .count = 2, .ignore_eos = true}, h.sink());
    REQUIRE(drain(engine));
    CAPTURE(size, h.error);
    CHECK(h.all_once());
    CHECK(h.error.empty());
    CHECK(h.tokens[1] == std::min(5, 64 - size));
  }
}

template <class P> void under_pressure_no_request_that_fits_alone_fails(subject const& s) {
  std::size_t const page = room_for_pages<P>(s, 1);
  for (int pages : s.brief ? std::vector{6} : std::vector{6, 7}) {
    auto config = s.config();
    config.max_batch = 3, config.step_tokens = s.of(4, 32), config.context = 0, config.kv_bytes = std::size_t(pages) * page;
    verbatim::engine<P> engine(config);
    REQUIRE(engine.resources().kv_pages == pages);
    for (int ahead = s.of(1, 10 + pages); ahead < 34; ahead += s.of(1, 100)) {
      heard_each first(1), group(2);
      engine.submit({.prompt = counting_prompt(3, ahead), .max_tokens = 70, .ignore_eos = true}, first.sink());
      for (int i = 0; i < ahead; ++i) engine.poll();
      engine.submit({.prompt = counting_prompt(64, 50 + ahead), .max_tokens = 20, .count = 2, .ignore_eos = true}, group.sink());
      REQUIRE(drain(engine));
      CAPTURE(pages, ahead, first.error, group.error);
      REQUIRE(first.tokens == std::vector<int>{70});
      REQUIRE(group.tokens == std::vector<int>{20, 20});
    }
    CHECK(engine.stats().pages_used == 0);
  }
}

template <class P> void logits_that_are_not_numbers_fail_the_request(subject const& s) {
  folder const copy(read_bytes(s.model / "config.json"));
  weights::random_weights source(verbatim::read_config(copy.path()).config, 1);
  auto const staged = weights::all_of(source);
  weights::write_safetensors(copy.path() / "model.safetensors", staged.tensors());
  std::string bytes = read_bytes(copy.path() / "model.safetensors");
  std::uint64_t header;
  std::memcpy(&header, bytes.data(), 8);
  std::size_t const offsets = bytes.find("\"data_offsets\":[", bytes.find("\"model.norm.weight\""));
  std::size_t const at = 8 + header + std::stoul(bytes.substr(offsets + 16));
  std::memset(bytes.data() + at, 0xff, 4);   // a NaN in every number format
  std::ofstream(copy.path() / "model.safetensors", std::ios::binary) << bytes;
  auto config = s.config();
  config.checkpoint = copy.path(), config.random_weights = false;
  verbatim::engine<P> engine(config);
  auto const ids = counting_prompt(40);
  try {
    engine.score(ids);
    FAIL("scored");
  } catch (verbatim::error const& e) {
    CHECK(e.number() == 5);
    CHECK(e.message().find('[') == std::string_view::npos);
  }
  heard_each sampled(3), scored(2);
  engine.submit({.prompt = ids, .max_tokens = 4, .count = 3}, sampled.sink());
  engine.submit({.prompt = ids, .max_tokens = 4, .count = 2, .prompt_logprobs = 1}, scored.sink());
  REQUIRE(drain(engine));
  CHECK(sampled.finished == std::vector<int>{1, 1, 1});
  CHECK(scored.finished == std::vector<int>{1, 1});
  CHECK(scored.error.find("[verbatim.engine.5]") == 0);
  CHECK(engine.stats().pages_used == 0);
  CHECK(engine.jobs().unfinished() == 0);
}

/// Eight requests in groups: what they ask, and what P gives them with little of everything.
inline std::vector<request> grouped_requests(subject const& s) {
  std::vector<request> all;
  for (int i = 0; i < s.of(8, 4); ++i)
    all.push_back({.prompt = counting_prompt(5 + 9 * i, i), .max_tokens = s.of(12, 5), .count = 1 + i % 4, .sampling = {.seed = std::uint64_t(i)}, .ignore_eos = true});
  return all;
}
/// Another cache gives the bits that pages give.
template <class Paged, class Other> void caches_give_the_same(subject const& s) {
  verbatim::engine<Paged> paged(s.config());
  auto config = s.config(2);
  config.max_batch = 3, config.step_tokens = 7, config.context = 100, config.kv_bytes = bytes_of_pages(paged, 15);
  verbatim::engine<Other> other(config);
  auto const requests = grouped_requests(s);
  auto const a = verbatim::generate(paged, requests), b = verbatim::generate(other, requests);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i, b[i].error);
    CHECK(int(a[i].ids.size()) == requests.front().max_tokens);
    CHECK(bits(a[i]) == bits(b[i]));
  }
  CHECK(drain(other));
  CHECK(other.stats().pages_used == 0);
}

}  // namespace laws
