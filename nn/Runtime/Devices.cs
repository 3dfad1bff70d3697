using Lathe.Contracts;
using TorchSharp;

namespace Lathe.NN.Runtime;

/// <summary>Finds the device that a worker is set to.</summary>
public static class Devices
{
    private const string ComputeOnCpu = "Compute on the CPU (--device cpu or LATHE_DEVICE, and no device: cuda in the sweep), or start the worker where a GPU is.";
    private const string Remedy =
        "Put a libtorch that is built for CUDA in the place of the one that came with Lathe (docs/cluster.md says how), or compute on the CPU (--device cpu, and no device: cuda in the sweep).";

    /// <summary>The device as libtorch names it.</summary>
    /// <param name="wanted">The worker's setting.</param>
    /// <exception cref="LatheException">A GPU is asked for that is not there or that this libtorch cannot use; the message says which.</exception>
    public static torch.Device Find(ComputeDevice wanted)
    {
        Libtorch.EnsureLoaded();
        switch (wanted.Kind)
        {
            case DeviceKind.Cpu:
            // Without a driver there is nothing to ask libtorch for, which would look for its CUDA part in many places first.
            case DeviceKind.Auto when !CudaDriver.IsPresent || !torch.cuda.is_available():
                return torch.CPU;
            case DeviceKind.Auto:
                return Gpu(0);
            default:
                CheckGpu(wanted);
                return Gpu(wanted.Index);
        }
    }

    /// <summary>For people and lineages: <c>cpu</c>, or for example <c>cuda:0 NVIDIA H100 80GB HBM3</c>.</summary>
    public static string Describe(torch.Device device) => device.type == DeviceType.CUDA
        ? $"{new ComputeDevice(DeviceKind.Cuda, device.index)} {CudaDriver.Name(device.index)}".TrimEnd()
        : "cpu";

    /// <summary>The tensor on a device: itself if it is there, otherwise a copy that belongs to the current dispose scope.</summary>
    public static torch.Tensor On(this torch.Tensor tensor, torch.Device device) =>
        tensor.device_type == device.type && (device.type == DeviceType.CPU || tensor.device_index == device.index) ? tensor : tensor.to(device);

    private static torch.Device Gpu(int index)
    {
        // float32 shall mean float32: TF32 keeps 10 bits of a factor, and a proof of surgery to 1e-4 would fail with it.
        torch.backends.cuda.matmul.allow_tf32 = false;
        torch.backends.cudnn.allow_tf32 = false;
        return new torch.Device(DeviceType.CUDA, index);
    }

    private static void CheckGpu(ComputeDevice wanted)
    {
        if (!CudaDriver.IsPresent)
            throw new LatheException($"The device is {wanted}, and NVIDIA's driver (libcuda.so.1) is not installed here or finds no GPU. {ComputeOnCpu}", FailureKind.Elsewhere);
        if (!torch.cuda.is_available())
            throw new LatheException($"The device is {wanted}, and this libtorch is built without CUDA. {Remedy}", FailureKind.Elsewhere);
        var count = torch.cuda.device_count();
        if (wanted.Index >= count)
            throw new LatheException($"The device is {wanted}, and there are {count} GPUs here: the last is cuda:{count - 1}.", FailureKind.Elsewhere);
    }
}
