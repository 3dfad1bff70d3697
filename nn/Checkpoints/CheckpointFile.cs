using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Lathe.NN.Checkpoints;

/// <summary>
/// A checkpoint as one safetensors file. A weight <c>X.weight</c> with a <see cref="WeightFormat"/> is stored as
/// <c>X.weight.packed</c> (U8) and <c>X.weight.fraction</c> (I8 [1]); every other tensor as it is. Metadata: <c>lathe.format</c>,
/// <c>lathe.graph</c>, <c>lathe.lineage</c>, <c>lathe.quantization</c>. The same checkpoint always gives the same bytes.
/// </summary>
public static class CheckpointFile
{
    /// <summary>Reads a checkpoint from disk.</summary>
    /// <exception cref="LatheException">Missing, damaged or no checkpoint; the message names the file and the fault.</exception>
    public static Checkpoint Read(string path)
    {
        using var stream = ReadableFile.Open(path);
        return Read(stream, path);
    }

    /// <summary>Reads a checkpoint from a seekable stream at position 0.</summary>
    /// <param name="stream">Seekable; holds nothing but the checkpoint.</param>
    /// <param name="source">What to call it in messages.</param>
    /// <exception cref="LatheException">Damaged or no checkpoint.</exception>
    public static Checkpoint Read(Stream stream, string source)
    {
        Libtorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        // The stored tensors are checked against the graph before any data is read.
        var header = CheckpointHeader.Read(stream, source);
        stream.Position = 0;
        var stored = SafeTensorsFile.Read(stream, source);
        var tensors = new Dictionary<string, Tensor>();
        foreach (var parameter in ParameterShapes.Of(header.Graph))
        {
            if (header.Formats.TryGetValue(parameter.Name, out var format))
            {
                tensors.Add(parameter.Name, Unpack(format, stored.Tensors[CheckpointHeader.PackedName(parameter.Name)], parameter, source));
            }
            else
            {
                tensors.Add(parameter.Name, stored.Tensors[parameter.Name]);
            }
        }

        foreach (var (name, tensor) in tensors)
        {
            if (!tensor.isfinite().all().item<bool>())
                throw new LatheException($"{source} is no sound checkpoint: {name} has values that are no finite numbers. Get or make it again");
        }

        foreach (var tensor in tensors.Values) tensor.MoveToOuterDisposeScope();
        return new Checkpoint(header.Graph, tensors, header.Lineage, header.Formats);
    }

    /// <summary>Writes a checkpoint. The owner of the stream makes the write atomic (temporary file, then rename).</summary>
    /// <exception cref="LatheException">
    /// The tensors are not those of the graph, or a weight is not exactly what its format says.
    /// </exception>
    public static void Write(Stream stream, Checkpoint checkpoint)
    {
        GraphValidation.Check(checkpoint.Graph);
        using var scope = NewDisposeScope();
        var parameters = ParameterShapes.Of(checkpoint.Graph);
        var stored = new Dictionary<string, Tensor>();
        foreach (var parameter in parameters)
        {
            if (!checkpoint.Tensors.TryGetValue(parameter.Name, out var tensor))
                throw new LatheException($"the checkpoint lacks tensor '{parameter.Name}'");
            if (tensor.dtype != ScalarType.Float32 || !tensor.shape.AsSpan().SequenceEqual([.. parameter.Shape]))
                throw new LatheException($"tensor '{parameter.Name}' is {tensor.dtype} [{string.Join(", ", tensor.shape)}]; "
                    + $"the network needs Float32 [{string.Join(", ", parameter.Shape)}]");
            if (parameter.Kind == ParameterKind.Weight && checkpoint.Formats.TryGetValue(parameter.Name, out var format))
            {
                var values = MemoryMarshal.Cast<byte, float>(tensor.detach().cpu().contiguous().bytes);
                stored.Add(CheckpointHeader.PackedName(parameter.Name), torch.tensor(format.Pack(values, parameter.Name)));
                stored.Add(CheckpointHeader.FractionName(parameter.Name), torch.tensor(new[] { (sbyte)format.Fraction }));
            }
            else
            {
                stored.Add(parameter.Name, tensor);
            }
        }

        RefuseStrangers(checkpoint, parameters);
        SafeTensorsFile.Write(stream, stored, CheckpointMetadata.Write(checkpoint.Graph, checkpoint.Lineage, checkpoint.Formats));
    }

    private static void RefuseStrangers(Checkpoint checkpoint, IReadOnlyList<ParameterShape> parameters)
    {
        var names = parameters.Select(p => p.Name).ToHashSet();
        if (checkpoint.Tensors.Keys.FirstOrDefault(name => !names.Contains(name)) is { } stranger)
            throw new LatheException($"the checkpoint holds tensor '{stranger}', which its network does not have");
        var weights = parameters.Where(p => p.Kind == ParameterKind.Weight).Select(p => p.Name).ToHashSet();
        if (checkpoint.Formats.Keys.FirstOrDefault(name => !weights.Contains(name)) is { } odd)
            throw new LatheException($"a fixed-point format is given for '{odd}', which is no weight of a convolution or linear layer");
    }

    private static Tensor Unpack(WeightFormat format, Tensor packed, ParameterShape parameter, string source)
    {
        var tensor = empty([.. parameter.Shape], dtype: ScalarType.Float32);
        CheckpointHeader.InFile(source, () => format.Unpack(packed.bytes, MemoryMarshal.Cast<byte, float>(tensor.bytes), parameter.Name));
        return tensor;
    }
}
