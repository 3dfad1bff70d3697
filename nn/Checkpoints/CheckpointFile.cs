using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.NN.Graphs;
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
        using var stream = SafeTensorsFile.Open(path);
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
        // What is stored is checked against the graph before any data is read.
        var header = ReadHeader(stream, source);
        stream.Position = 0;
        var stored = SafeTensorsFile.Read(stream, source);
        var tensors = new Dictionary<string, Tensor>();
        foreach (var parameter in ParameterShapes.Of(header.Graph))
        {
            if (header.Formats.TryGetValue(parameter.Name, out var format))
            {
                tensors.Add(parameter.Name, Unpack(format, stored.Tensors[PackedName(parameter.Name)], parameter, source));
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

    /// <summary>Reads what a checkpoint says about itself, with nothing but its step sizes loaded.</summary>
    /// <exception cref="LatheException">Not there, damaged or no checkpoint.</exception>
    public static CheckpointHeader ReadHeader(string path)
    {
        using var stream = SafeTensorsFile.Open(path);
        return ReadHeader(stream, path);
    }

    /// <summary>As the other overload, from a seekable stream at position 0.</summary>
    /// <exception cref="LatheException">Damaged or no checkpoint.</exception>
    public static CheckpointHeader ReadHeader(Stream stream, string source)
    {
        var header = SafeTensorsHeader.Read(stream, source);
        var metadata = CheckpointMetadata.Read(header.Metadata, source);
        CheckStored(header, metadata, source);
        var places = header.Tensors.ToDictionary(t => t.Name, t => header.DataStart + t.Begin);
        var formats = new Dictionary<string, WeightFormat>();
        foreach (var (name, packed) in metadata.Packed)
        {
            stream.Position = places[FractionName(name)];
            var format = new WeightFormat(packed.Bits, (sbyte)stream.ReadByte());
            InFile(source, () => format.Check(name));
            formats.Add(name, format);
        }

        return new CheckpointHeader(
            metadata.Graph, metadata.Lineage, formats, header.Tensors, CheckpointSize.Of(metadata.Graph, formats),
            CheckpointMetadata.Sizes(header.Metadata, header.DataStart), stream.Length);
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
                stored.Add(PackedName(parameter.Name), torch.tensor(format.Pack(values, parameter.Name)));
                stored.Add(FractionName(parameter.Name), torch.tensor(new[] { (sbyte)format.Fraction }));
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

    /// <summary>The stored tensors must be exactly what graph and quantization call for.</summary>
    private static void CheckStored(SafeTensorsHeader header, CheckpointMetadata metadata, string source)
    {
        var expected = new Dictionary<string, (SafeTensorType Type, IReadOnlyList<long> Shape)>();
        var unused = metadata.Packed.Keys.ToHashSet();
        foreach (var parameter in ParameterShapes.Of(metadata.Graph))
        {
            if (parameter.Kind != ParameterKind.Weight || !metadata.Packed.TryGetValue(parameter.Name, out var packed))
            {
                expected.Add(parameter.Name, (SafeTensorType.F32, parameter.Shape));
                continue;
            }

            unused.Remove(parameter.Name);
            var format = new WeightFormat(packed.Bits, 0);
            InFile(source, () => format.Check(parameter.Name));
            if (!packed.Shape.SequenceEqual(parameter.Shape))
                throw new LatheException($"{source} gives weight '{parameter.Name}' the shape [{string.Join(", ", packed.Shape)}]; "
                    + $"the network needs [{string.Join(", ", parameter.Shape)}]");
            expected.Add(PackedName(parameter.Name), (SafeTensorType.U8, [format.PackedBytes(parameter.Values)]));
            expected.Add(FractionName(parameter.Name), (SafeTensorType.I8, [1]));
        }

        if (unused.Count > 0)
            throw new LatheException($"{source} quantizes '{unused.Order().First()}', which is no weight of its network");
        foreach (var entry in header.Tensors)
        {
            if (!expected.Remove(entry.Name, out var wanted))
                throw new LatheException($"{source} holds tensor '{entry.Name}', which its network does not have");
            if (entry.Type != wanted.Type || !entry.Shape.SequenceEqual(wanted.Shape))
                throw new LatheException($"{source} holds tensor '{entry.Name}' as {entry.Type} [{string.Join(", ", entry.Shape)}]; "
                    + $"its network needs {wanted.Type} [{string.Join(", ", wanted.Shape)}]");
        }

        if (expected.Count > 0)
            throw new LatheException($"{source} lacks tensor '{expected.Keys.First()}', which its network needs");
    }

    private static Tensor Unpack(WeightFormat format, Tensor packed, ParameterShape parameter, string source)
    {
        var tensor = empty([.. parameter.Shape], dtype: ScalarType.Float32);
        InFile(source, () => format.Unpack(packed.bytes, MemoryMarshal.Cast<byte, float>(tensor.bytes), parameter.Name));
        return tensor;
    }

    /// <summary>Adds the file's name to what is wrong in it.</summary>
    private static void InFile(string source, Action check)
    {
        try
        {
            check();
        }
        catch (LatheException e)
        {
            throw new LatheException($"{source} is damaged: {e.Message}", inner: e);
        }
    }

    private static string PackedName(string weight) => weight + ".packed";

    private static string FractionName(string weight) => weight + ".fraction";
}
