using Lathe.Contracts;

namespace Lathe.Graph.Checkpoints;

/// <summary>A checkpoint's file without its data.</summary>
/// <param name="Graph">The network.</param>
/// <param name="Lineage">Its history.</param>
/// <param name="Formats">Fixed-point formats by tensor name.</param>
/// <param name="Stored">Tensors as stored, in the order of their data.</param>
/// <param name="Size">Their bytes by kind.</param>
/// <param name="Text">Bytes of the file before them.</param>
/// <param name="FileBytes">Length of the file.</param>
public sealed record CheckpointHeader(
    NetworkGraph Graph,
    Lineage Lineage,
    IReadOnlyDictionary<string, WeightFormat> Formats,
    IReadOnlyList<SafeTensorEntry> Stored,
    CheckpointSize Size,
    CheckpointText Text,
    long FileBytes)
{
    /// <summary>Reads a checkpoint's header and its step sizes, without the other data.</summary>
    /// <exception cref="LatheException">Not there, damaged or no checkpoint.</exception>
    public static CheckpointHeader Read(string path)
    {
        using var stream = ReadableFile.Open(path);
        return Read(stream, path);
    }

    /// <summary>As the other overload, from a seekable stream at position 0.</summary>
    /// <exception cref="LatheException">Damaged or no checkpoint.</exception>
    public static CheckpointHeader Read(Stream stream, string source)
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

    /// <summary>Adds the file's name to the fault.</summary>
    internal static void InFile(string source, Action check)
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

    internal static string PackedName(string weight) => weight + ".packed";

    internal static string FractionName(string weight) => weight + ".fraction";
}

/// <summary>Bytes of a checkpoint's header: its whole file is these and <see cref="CheckpointSize.Total"/>.</summary>
/// <param name="Graph">The network.</param>
/// <param name="History">Its lineage, with the records of each stage.</param>
/// <param name="Index">Names, shapes and places of the tensors, formats of the packed ones, and what aligns the data.</param>
public sealed record CheckpointText(long Graph, long History, long Index);
