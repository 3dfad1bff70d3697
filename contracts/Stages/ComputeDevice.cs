using System.Globalization;

namespace Lathe.Contracts;

/// <summary>What kind of processor computes.</summary>
public enum DeviceKind
{
    /// <summary>A GPU where there is one that can be used, else the CPU.</summary>
    Auto,

    /// <summary>The CPU.</summary>
    Cpu,

    /// <summary>A CUDA GPU.</summary>
    Cuda,
}

/// <summary>What a worker computes on, as a person says it: <c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
/// <param name="Kind">Kind of processor.</param>
/// <param name="Index">Number of the GPU, from 0; always 0 for other kinds.</param>
public readonly record struct ComputeDevice(DeviceKind Kind, int Index = 0)
{
    /// <summary>What may be said, for messages.</summary>
    public const string Expected = "auto, cpu, cuda or cuda:N with N the number of a GPU from 0";

    private const string Cuda = "cuda";
    private const int MostIndex = 127;

    /// <summary>Reads what a person said; null where it is none of what is expected.</summary>
    public static ComputeDevice? TryParse(string text) => text.ToLowerInvariant() switch
    {
        "auto" => new ComputeDevice(DeviceKind.Auto),
        "cpu" => new ComputeDevice(DeviceKind.Cpu),
        Cuda => new ComputeDevice(DeviceKind.Cuda),
        var other when other.StartsWith($"{Cuda}:", StringComparison.Ordinal)
            && int.TryParse(other.AsSpan(Cuda.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            && index <= MostIndex => new ComputeDevice(DeviceKind.Cuda, index),
        _ => null,
    };

    /// <summary>What to compute on where a sweep asks for a kind of processor.</summary>
    /// <param name="asked">The kind; null: any.</param>
    /// <returns>This device where it fits, with <c>auto</c> made the kind that is asked for; null where it is of another kind.</returns>
    public ComputeDevice? Fit(DeviceKind? asked) =>
        asked is not { } kind || kind == Kind ? this : Kind == DeviceKind.Auto ? new ComputeDevice(kind) : null;

    /// <summary>As a setting says it: <c>auto</c>, <c>cpu</c>, <c>cuda:0</c>.</summary>
    public override string ToString() => Kind == DeviceKind.Cuda
        ? string.Create(CultureInfo.InvariantCulture, $"{Cuda}:{Index}")
        : Kind.ToString().ToLowerInvariant();
}
