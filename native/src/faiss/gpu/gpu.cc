// What FAISS's C interface does not have for cards. FAISS itself ends the process when CUDA fails in ways that it does not expect, so what can be asked beforehand is
// asked here. Each function returns 0, or 1 and why in `message`; none throws.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>

#include <cuda_runtime_api.h>
#include <faiss/IndexReplicas.h>
#include <faiss/IndexShards.h>
#include <faiss/gpu/GpuIndexIVF.h>
#include <faiss/gpu/GpuIndexIVFFlat.h>
#include <faiss/gpu/GpuIndexIVFPQ.h>
#include <faiss/gpu/GpuIndexIVFScalarQuantizer.h>
#include <faiss/gpu/StandardGpuResources.h>

namespace {

int say(const char* text, char* message, std::size_t capacity) {
    std::snprintf(message, capacity, "%s", text);
    return 1;
}

int say(cudaError_t error, char* message, std::size_t capacity) {
    // What failed here is told here, and must not meet FAISS at its next look.
    cudaGetLastError();
    return say(cudaGetErrorString(error), message, capacity);
}

template <class Work>
int guarded(Work work, char* message, std::size_t capacity) {
    try {
        work();
        return 0;
    } catch (const std::exception& error) {
        return say(error.what(), message, capacity);
    } catch (...) {
        return say("an unknown exception", message, capacity);
    }
}

void set_nprobe(faiss::Index* index, std::size_t nprobe) {
    if (auto* several = dynamic_cast<faiss::IndexReplicas*>(index)) {
        for (int i = 0; i < several->count(); ++i) {
            set_nprobe(several->at(i), nprobe);
        }
    } else if (auto* parts = dynamic_cast<faiss::IndexShards*>(index)) {
        for (int i = 0; i < parts->count(); ++i) {
            set_nprobe(parts->at(i), nprobe);
        }
    } else if (auto* ivf = dynamic_cast<faiss::gpu::GpuIndexIVF*>(index)) {
        ivf->nprobe = nprobe;
    }
}

} // namespace

extern "C" {

struct twindex_gpu_card_info {
    char name[256];
    std::uint64_t total_bytes;
    std::uint64_t free_bytes;
    std::int32_t major;
    std::int32_t minor;
};

int twindex_gpu_count(int* count, char* message, std::size_t capacity) {
    *count = 0;
    const cudaError_t error = cudaGetDeviceCount(count);
    return error == cudaSuccess ? 0 : say(error, message, capacity);
}

int twindex_gpu_card(int number, twindex_gpu_card_info* out, char* message, std::size_t capacity) {
    cudaDeviceProp properties;
    cudaError_t error = cudaGetDeviceProperties(&properties, number);
    int before = 0;
    if (error == cudaSuccess) {
        error = cudaGetDevice(&before);
    }
    if (error != cudaSuccess) {
        return say(error, message, capacity);
    }
    std::size_t free_bytes = 0;
    std::size_t total_bytes = 0;
    error = cudaSetDevice(number);
    if (error == cudaSuccess) {
        error = cudaMemGetInfo(&free_bytes, &total_bytes);
    }
    const cudaError_t back = cudaSetDevice(before);
    if (error != cudaSuccess || back != cudaSuccess) {
        return say(error != cudaSuccess ? error : back, message, capacity);
    }
    std::snprintf(out->name, sizeof out->name, "%s", properties.name);
    out->total_bytes = total_bytes;
    out->free_bytes = free_bytes;
    out->major = properties.major;
    out->minor = properties.minor;
    return 0;
}

// Whether so much of the machine's memory can be pinned: FAISS ends the process if not.
int twindex_gpu_can_pin(std::size_t bytes) {
    void* memory = nullptr;
    if (cudaHostAlloc(&memory, bytes, cudaHostAllocDefault) != cudaSuccess) {
        cudaGetLastError();
        return 0;
    }
    return cudaFreeHost(memory) == cudaSuccess;
}

int twindex_gpu_bytes(const void* resources, std::uint64_t* bytes, char* message, std::size_t capacity) {
    return guarded(
            [&] {
                const auto* standard = static_cast<const faiss::gpu::StandardGpuResources*>(resources);
                *bytes = 0;
                for (const auto& device : standard->getMemoryInfo()) {
                    for (const auto& kind : device.second) {
                        *bytes += kind.second.second;
                    }
                }
            },
            message,
            capacity);
}

int twindex_gpu_set_nprobe(void* index, std::size_t nprobe, char* message, std::size_t capacity) {
    return guarded([&] { set_nprobe(static_cast<faiss::Index*>(index), nprobe); }, message, capacity);
}

int twindex_gpu_reclaim(void* index, char* message, std::size_t capacity) {
    return guarded(
            [&] {
                auto* any = static_cast<faiss::Index*>(index);
                if (auto* flat = dynamic_cast<faiss::gpu::GpuIndexIVFFlat*>(any)) {
                    flat->reclaimMemory();
                } else if (auto* sq = dynamic_cast<faiss::gpu::GpuIndexIVFScalarQuantizer*>(any)) {
                    sq->reclaimMemory();
                } else if (auto* pq = dynamic_cast<faiss::gpu::GpuIndexIVFPQ*>(any)) {
                    pq->reclaimMemory();
                }
            },
            message,
            capacity);
}

} // extern "C"
