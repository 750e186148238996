// What FAISS was compiled for. Its C interface does not tell, its C++ one does.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

namespace faiss {
std::string get_compile_options();
}

extern "C" std::size_t twindex_faiss_compile_options(char* out, std::size_t capacity) {
    try {
        const std::string options = faiss::get_compile_options();
        const std::size_t length = std::min(options.size(), capacity);
        std::memcpy(out, options.data(), length);
        return length;
    } catch (...) {
        return 0;
    }
}
