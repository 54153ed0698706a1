// The splice on plain numbers: the examples that NeMo RL's own tests give for replace_prefix_tokens, restated, and the cases
// in which its back-ends decide differently.
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "verbatim/protocol/splice.hpp"

using verbatim::splice;
using verbatim::token;
using ids = std::vector<token>;

namespace {
constexpr token eos = 2;
ids joined(ids const& exact, ids const& before, ids const& full, ids const& ends = {eos}) {
  auto const r = splice(exact, before, full, ends);
  CAPTURE(r.error ? r.error : "");
  REQUIRE(!r.error);
  REQUIRE(r.ids.size() >= exact.size());
  if (!exact.empty()) CHECK(std::equal(exact.begin(), exact.end(), r.ids.begin()));
  return r.ids;
}
}  // namespace

TEST_CASE("protocol/splice: NeMo RL's examples") {
  CHECK(joined({}, {9, 2}, {9, 2, 5}) == ids{9, 2, 5});
  CHECK(splice(ids{1, 2}, ids{9, 9, 9}, ids{9, 9, 9}, ids{eos}).error);
  CHECK(splice(ids{1, 2}, ids{9, 2}, ids{9, 2}, ids{}).error);
  CHECK(joined({100, 2}, {9, 2, 9, 2}, {9, 2, 9, 2, 77, 88}) == ids{100, 2, 77, 88});
  CHECK(joined({11, 12, 13, 40, 41, 220, 17, 2}, {11, 12, 13, 40, 41, 1001, 2}, {11, 12, 13, 40, 41, 1001, 2, 21, 22, 40, 41}) ==
        ids{11, 12, 13, 40, 41, 220, 17, 2, 21, 22, 40, 41});
  // A template that drops reasoning from earlier turns: by position, 70 and 71 would be lost.
  CHECK(joined({11, 12, 99, 99, 99, 55, 2}, {11, 12, 88, 88, 88, 56, 2}, {11, 12, 56, 2, 70, 71, 2, 40, 41}) ==
        ids{11, 12, 99, 99, 99, 55, 2, 70, 71, 2, 40, 41});
  // A prompt without an earlier answer (test_vllm_http_server_correct_merged_tokens_matches_baseline).
  CHECK(joined({151644, 872, 198, 26951, 3834}, {151644, 872, 198, 94224, 151645, 198}, {151644, 872, 198, 94224, 151645, 198, 151644, 77091, 198}, {151645, 151643}) ==
        ids{151644, 872, 198, 26951, 3834, 151645, 198, 151644, 77091, 198});
  CHECK(joined({10, 31, 32, 2}, {10, 5, 2}, {10, 5, 2, 40, 99}) == ids{10, 31, 32, 2, 40, 99});   // Dynamo's wrapper
}

TEST_CASE("protocol/splice: a turn that was cut short, one with another end, one that has gone") {
  CHECK(joined({1, 5, 6}, {1, 5, 7, 2}, {1, 5, 7, 2, 9, 4}) == ids{1, 5, 6, 2, 9, 4});             // the template's own end is the joint
  CHECK(joined({1, 5, 6, 3}, {1, 5, 7, 2}, {1, 5, 7, 2, 9, 4}, {2, 3}) == ids{1, 5, 6, 3, 9, 4});   // another end stays, and no second one comes
  CHECK(joined({1, 5, 6, 2}, {1, 5, 7, 2, 8}, {1, 5, 7, 2, 8, 9, 4}) == ids{1, 5, 6, 2, 8, 9, 4});  // what follows the end belongs to the template
  CHECK(splice(ids{1, 2}, ids{1, 2, 3, 2}, ids{1, 2, 9}, ids{eos}).error);                          // history with fewer turns than before
  CHECK(joined({1, 2}, {1, 2}, {1, 2}) == ids{1, 2});
  // Templates that end a turn when the next begins, by an end of its own (2) or by the next one's first token (3 is a user's turn).
  auto const open = [](ids const& exact, ids const& before, ids const& full) { return splice(exact, before, full, ids{2, 3}, true).ids; };
  CHECK(open({1, 5, 6}, {1, 5, 7}, {1, 5, 7, 2, 9, 4}) == ids{1, 5, 6, 2, 9, 4});
  CHECK(open({3, 8, 4, 6, 3}, {3, 8, 4, 7}, {3, 8, 4, 7, 3, 9, 4}) == ids{3, 8, 4, 6, 3, 9, 4});
  CHECK(open({3, 8, 4, 6}, {3, 8, 4, 7}, {3, 8, 4, 3, 9, 4}) == ids{3, 8, 4, 6, 3, 9, 4});   // and drops what was said
}

TEST_CASE("protocol/splice: two histories of 457 tokens that differ in one id, with and without the last end and its newline") {
  // As NeMo RL's fixture: what the model sampled and what the template gives have the same length; the suffix after the last
  // answer's end has 16 tokens; ids differ at 416.
  constexpr token end = 151645, newline = 198;
  std::mt19937 random(4);
  ids og;
  for (int i = 0; i < 457; ++i) og.push_back(1000 + token(random() % 50000));
  for (int turn : {60, 140, 250, 330}) og[std::size_t(turn)] = end, og[std::size_t(turn) + 1] = newline;
  og[440] = end, og[441] = newline;   // 457 - 16 = 441: the prefix that ends in the end
  og[416] = 624;
  ids const full = og;
  ids model = og;
  model[416] = 382;
  auto const head = [](ids const& v, int drop) { return ids(v.begin(), v.end() - drop); };
  for (int drop : {16, 15}) {   // the prefix ends in the end, or in the newline after it
    CHECK(joined(head(og, 16), head(full, drop), full, {end}) == og);
    CHECK(joined(head(og, 17), head(full, drop), full, {end}) == og);
  }
  CHECK(joined(head(model, 16), head(full, 16), full, {end}) == model);
  CHECK(joined(head(model, 17), head(full, 16), full, {end}) == model);
}

TEST_CASE("protocol/splice: turns chain, as a trainer checks them") {
  // NeMo RL's post-processing: each prompt begins with all that came before; what is new between them are the user's tokens.
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    auto const some = [&](int n) {
      ids out;
      for (int i = 1 + int(random() % unsigned(n)); i > 0; --i) out.push_back(10 + token(random() % 90));
      return out;
    };
    auto const append = [](ids& to, ids const& more) { to.insert(to.end(), more.begin(), more.end()); };
    ids rendered = some(5), seen;     // what the template gives for the turns so far; what was fed and sampled
    rendered.push_back(eos);
    append(rendered, {7, 7});
    ids prompt = rendered;            // the first prompt, with a generation prompt of two tokens
    for (int turn = 0; turn < 5; ++turn) {
      REQUIRE(std::equal(seen.begin(), seen.end(), prompt.begin()));
      seen = prompt;
      ids sampled = some(8);
      int const how = int(random() % 3);
      if (how == 0) sampled.push_back(eos);
      if (how == 1) sampled.push_back(3);
      append(seen, sampled);
      append(rendered, some(8));      // the template's idea of the same answer: other tokens, another number of them
      rendered.push_back(eos);
      ids const before = rendered;
      append(rendered, some(6));      // the next user turn
      rendered.push_back(eos);
      append(rendered, {7, 7});
      prompt = joined(seen, before, rendered, {eos, 3});
    }
  }
}
