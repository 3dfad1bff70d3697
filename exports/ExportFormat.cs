using Lathe.Contracts;
using Lathe.Graph.Onnx;
using Lathe.Hosting;

namespace Lathe.Exports;

/// <summary>A format for exporting a checkpoint.</summary>
/// <param name="Name">As typed.</param>
/// <param name="Ending">Usual ending of its main file.</param>
/// <param name="Summary">One line for a person.</param>
/// <param name="Make">
/// Makes the job's files in memory, and verifies that they compute the same as the checkpoint. Writes nothing.
/// </param>
internal sealed record ExportFormat(string Name, string Ending, string Summary, Func<ExportJob, Exported> Make)
{
    /// <summary>What a network must have for it; null: nothing.</summary>
    public ExportNeeds? Needs { get; init; }

    /// <summary>Types of whole-number weights that a user may choose from, the usual one first; empty: there is nothing to choose.</summary>
    public IReadOnlyList<OnnxWeightType> WeightTypes { get; init; } = [];

    /// <summary>What the choice of a type is about, in one line.</summary>
    public string AboutWeights { get; init; } = "";

    /// <summary>Every format. A new format is added only here.</summary>
    public static IReadOnlyList<ExportFormat> All { get; } = [OnnxFormat.Format, QuantizedOnnxFormat.Format, QonnxFormat.Format, TfLiteFormat.Format, CFormat.Format, SafeTensorsFormat.Format];

    /// <summary>Names of all formats, for messages.</summary>
    public static string Names => string.Join(", ", All.Select(f => f.Name));

    /// <exception cref="LatheException">No such format.</exception>
    public static ExportFormat Find(string name) => All.FirstOrDefault(f => f.Name == name)
        ?? throw new LatheException($"--format {name}: there is no such format{Nearest.Hint(name, All.Select(f => f.Name))}; expected one of {Names}");

    /// <summary>The format of a file's name by its ending; for .onnx the format in floats.</summary>
    /// <exception cref="LatheException">No format has this ending.</exception>
    public static ExportFormat For(string file)
    {
        var ending = Path.GetExtension(file).TrimStart('.');
        return All.FirstOrDefault(f => f.Name.Equals(ending, StringComparison.OrdinalIgnoreCase))
            ?? throw new LatheException($"--out {file}: its ending names no format; give it with --format, one of {Names}");
    }
}

/// <summary>Result of an export.</summary>
/// <param name="Files">Files to write, the main file last: when it exists, the others do too.</param>
/// <param name="Lines">Lines for the user: the content, and how closely it agrees with the checkpoint.</param>
internal sealed record Exported(IReadOnlyList<ExportedFile> Files, IReadOnlyList<string> Lines);

/// <summary>A file to be written.</summary>
/// <param name="Path">Its path.</param>
/// <param name="Content">All of it.</param>
internal sealed record ExportedFile(string Path, ReadOnlyMemory<byte> Content);
