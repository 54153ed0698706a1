// What a CUDA device's memory is planned to hold of weights is what is allocated for them, and what is by hand; what it is planned to hold for
// steps is what a backend allocates beside its pages. Of the rest, keys and values get their part.
#include "catch.hpp"
#include "verbatim/backend/cuda/library_linear.hpp"
#include "verbatim/engine/load.hpp"
#include "verbatim/weights/expected.hpp"

using namespace verbatim;

namespace {

/// Memory of the host, counted.
struct counting {
  inline static std::size_t bytes = 0;
  static void* allocate(std::size_t n) {
    bytes += n;
    return ::operator new(n);
  }
  static void release(void* p) noexcept { ::operator delete(p); }
};
template <class T, class Linear> struct counted_weights {
  using value = T;
  using matrix = cuda::device_matrix<counting, T, Linear::template tiled<T>>;
  using vector = cuda::device_vector<counting>;
};

constexpr std::size_t free_bytes = 64 << 20;
template <class T, class Linear, class Model> struct on_a_device {
  using dtype = T;
  using attention = cuda::tensor_attention;
  using linear = Linear;
  using architecture = Model;
  static constexpr numerics contract{Linear::offers, 16, Linear::k_leaf};
  /// The emulator, which counts what it is asked for.
  struct device : cuda::emulated {
    struct executor : cuda::emulator {
      static std::size_t free_memory() { return free_bytes; }
      static void* allocate(std::size_t n) {
        counting::bytes += n;
        return cuda::emulator::allocate(n);
      }
      static void* stage(std::size_t n) { return cuda::emulator::allocate(n); }
    };
  };
};
constexpr ops_limits small{.tokens = 24, .slices = 3, .outputs = 5, .pages = 4, .page = 16, .context = 60};

model_config config_of(architecture arch, bool tied, int vocabulary = 256) {
  model_config c;
  c.arch = arch, c.layers = 3, c.hidden = 128, c.intermediate = 192, c.vocabulary = vocabulary, c.heads = 4, c.kv_heads = 2, c.head_dim = 32;
  c.tied = tied, c.attention_bias = arch == architecture::qwen2;
  return c;
}

/// Bytes of a tensor list: matrices in `width`, vectors in f32.
std::size_t by_hand(model_config const& c, std::size_t width) {
  std::size_t bytes = 0;
  for (auto const& t : weights::expected_tensors(c)) bytes += std::size_t(t.shape.elements()) * (t.shape.rank == 2 ? width : 4);
  return bytes;
}

template <class T, class Linear, class Model> std::size_t planned(model_config const& c) {
  using P = on_a_device<T, Linear, Model>;
  using counted = counted_weights<T, Linear>;
  using backend = ops<cuda::emulated, T, cuda::tensor_attention, Linear>;
  static_assert(std::is_same_v<typename backend::matrix, cuda::device_matrix<cuda::emulator, T, Linear::template tiled<T>>>);
  std::size_t const bytes = detail::device_weight_bytes<P>(c);
  counting::bytes = 0;
  {
    typename Model::template weights<counted> w;
    loader<Model, counted> const l(c, w);
    CHECK(l.bytes() == bytes);
  }
  CHECK(counting::bytes == bytes);
  CHECK(detail::room_for_kv<P>(c, small) == (free_bytes - bytes - detail::device_step_bytes<P>(c, small)) / 5 * 4);
  return bytes;
}

template <class T, class Linear> void steps_take_what_is_planned(ops_limits l) {
  using P = on_a_device<T, Linear, llama>;
  model_config const c = config_of(architecture::llama, false, 257);
  std::size_t const planned = detail::device_step_bytes<P>(c, l);
  counting::bytes = 0;
  ops<typename P::device, T, typename P::attention, Linear> const backend(c, l, P::contract);
  CHECK(counting::bytes == planned + backend.kv_bytes());
  CHECK(planned > std::size_t(l.outputs) * 257 * sizeof(float));   // the logits alone
  // As long as a sequence finds its pages, their number does not matter; a shorter context takes no more.
  l.pages *= 3;
  CHECK(detail::device_step_bytes<P>(c, l) == planned);
  l.context /= 2;
  CHECK(detail::device_step_bytes<P>(c, l) <= planned);
}

}  // namespace

TEST_CASE("device memory: weights take what is planned, with a tied head and with one of its own") {
  for (bool tied : {true, false}) {
    CAPTURE(tied);
    model_config const q = config_of(architecture::qwen2, tied), l = config_of(architecture::llama, tied);
    CHECK(planned<float, cuda::tensor_linear, llama>(l) == by_hand(l, 4));
    CHECK(planned<bf16, cuda::library_linear, qwen2>(q) == by_hand(q, 2));
    CHECK(planned<bf16, cuda::tensor_linear, qwen2>(q) == by_hand(q, 2));   // whole tiles
  }
  // By hand: an untied embedding is 256 x 128 more.
  auto const size = [](bool tied) { return planned<bf16, cuda::tensor_linear, llama>(config_of(architecture::llama, tied)); };
  CHECK(size(true) == 2 * (256 * 128 + 3 * (128 * 128 + 2 * 64 * 128 + 128 * 128 + 3 * 192 * 128)) + 4 * (128 + 3 * 2 * 128));
  CHECK(size(false) - size(true) == 2 * 256 * 128);
  // A vocabulary that ends within a tile takes the tile.
  model_config const odd = config_of(architecture::llama, false, 257);
  CHECK(planned<bf16, cuda::tensor_linear, llama>(odd) > by_hand(odd, 2));
  CHECK(planned<bf16, cuda::library_linear, llama>(odd) == by_hand(odd, 2));
}

TEST_CASE("device memory: weights that do not fit leave nothing") {
  model_config big = config_of(architecture::llama, false);
  big.vocabulary = 1 << 18;   // 64 MiB each
  CHECK(detail::room_for_kv<on_a_device<bf16, cuda::tensor_linear, llama>>(big, small) == 0);
}

TEST_CASE("device memory: steps take what is planned, beside pages") {
  ops_limits const larger{.tokens = 200, .slices = 70, .outputs = 70, .pages = 40, .page = 16, .context = 640};
  for (ops_limits const& l : {small, larger}) {
    CAPTURE(l.tokens);
    steps_take_what_is_planned<float, cuda::tensor_linear>(l);
    steps_take_what_is_planned<bf16, cuda::tensor_linear>(l);
    steps_take_what_is_planned<bf16, cuda::library_linear>(l);
  }
  // Weights that fit and leave no room for steps leave none for keys and values either.
  model_config const c = config_of(architecture::llama, false, 1 << 16);
  ops_limits many = small;
  many.outputs = many.tokens = 200;
  using P = on_a_device<bf16, cuda::tensor_linear, llama>;
  CHECK(detail::device_weight_bytes<P>(c) < free_bytes);
  CHECK(detail::room_for_kv<P>(c, small) > 0);
  CHECK(detail::room_for_kv<P>(c, many) == 0);
}
