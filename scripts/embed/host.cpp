// host.cpp -- Moonlet in a C++ program: handles that clean up after themselves, errors as exceptions.
//
//   c++ -std=c++17 host.cpp $(pkg-config --cflags --libs moonlet) -o host
#include <moonlet.h>

#include <cstdio>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Close {
  void operator()(moonlet *m) const { moonlet_close(m); }
  void operator()(moonlet_tensor *t) const { moonlet_tensor_release(t); }
};
using Tensor = std::unique_ptr<moonlet_tensor, Close>;

class State {
public:
  State() : m(moonlet_open(nullptr)) {
    if (!m) throw std::bad_alloc();
  }

  void run(const std::string &code, const char *name) {
    check(moonlet_run_buffer(m.get(), code.data(), code.size(), name));
  }

  template <class... Values> void call(const char *function, const char *types, Values... values) {
    check(moonlet_call(m.get(), function, types, values...));
  }

  // The vector's memory, which the tensor keeps.
  Tensor tensor(std::vector<float> values) {
    auto *kept = new std::vector<float>(std::move(values));
    auto free = [](void *user) { delete static_cast<std::vector<float> *>(user); };
    const int64_t size = static_cast<int64_t>(kept->size());
    moonlet_tensor *t = nullptr;
    moonlet_status status = moonlet_tensor_borrow(m.get(), &t, MOONLET_FLOAT32, 1, &size, nullptr,
                                                  kept->data(), free, kept);
    if (status != MOONLET_OK) free(kept);
    check(status);
    return Tensor(t);
  }

  // A callable of C++ for Lua. No exception may leave it.
  template <class F> void add(const char *name, F &function) {
    auto call = [](moonlet_args *args, void *user) -> moonlet_status {
      try {
        return (*static_cast<F *>(user))(args);
      } catch (const std::exception &e) {
        return moonlet_args_error(args, "%s", e.what());
      }
    };
    check(moonlet_register(m.get(), name, call, &function));
  }

private:
  void check(moonlet_status status) {
    if (status != MOONLET_OK) throw std::runtime_error(moonlet_error(m.get()));
  }

  std::unique_ptr<moonlet, Close> m;
};

} // namespace

int main() try {
  std::vector<std::string> inventory = {"sword", "lamp"};
  auto item = [&](moonlet_args *args) {
    long long at;
    moonlet_status status = moonlet_args_get(args, 1, "i", &at);
    if (status != MOONLET_OK) return status;
    if (at < 1 || at > static_cast<long long>(inventory.size()))
      throw std::out_of_range("there is no item " + std::to_string(at));
    return moonlet_args_return(args, "s", inventory[static_cast<size_t>(at - 1)].c_str());
  };
  State lua;
  lua.add("item", item);
  lua.run("function weigh(x) return x:sum(), item(2) end "
          "function lose() print(item(7)) end",
          "weigh.lua");
  Tensor weights = lua.tensor({1.5f, 2.25f});
  double sum = 0;
  const char *text = nullptr;
  lua.call("weigh", "t>ds", weights.get(), &sum, &text);
  std::printf("%g with the %s\n", sum, text);
  try {
    lua.call("lose", ">");
  } catch (const std::runtime_error &e) {
    std::string text = e.what(); // the message, and a traceback below it
    std::printf("%s\n", text.substr(0, text.find('\n')).c_str());
  }
} catch (const std::exception &e) {
  std::printf("%s\n", e.what());
  return 1;
}
