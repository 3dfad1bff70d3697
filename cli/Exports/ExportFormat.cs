using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Exports;

/// <summary>A form that a checkpoint can be exported in.</summary>
/// <param name="Name">As typed.</param>
/// <param name="Summary">One line for a person.</param>
/// <param name="Make">
/// Makes the job's files, and only after they were seen to compute what the checkpoint does. Nothing is written yet.
/// </param>
internal sealed record ExportFormat(string Name, string Summary, Func<ExportJob, Exported> Make)
{
    /// <summary>Every form. A new one is added here, and nowhere else.</summary>
    public static IReadOnlyList<ExportFormat> All { get; } = [OnnxFormat.Format, QuantizedOnnxFormat.Format, CFormat.Format, SafeTensorsFormat.Format];

    /// <summary>Names of all forms, for messages.</summary>
    public static string Names => string.Join(", ", All.Select(f => f.Name));

    /// <exception cref="LatheException">No such form.</exception>
    public static ExportFormat Find(string name) => All.FirstOrDefault(f => f.Name == name)
        ?? throw new LatheException($"--format {name}: there is no such format{Nearest.Hint(name, All.Select(f => f.Name))}; expected one of {Names}");

    /// <summary>The form that a file's name ends in; of ONNX's the one in floats.</summary>
    /// <exception cref="LatheException">It ends in none.</exception>
    public static ExportFormat For(string file)
    {
        var ending = Path.GetExtension(file).TrimStart('.');
        return All.FirstOrDefault(f => f.Name.Equals(ending, StringComparison.OrdinalIgnoreCase))
            ?? throw new LatheException($"--out {file}: its ending names no format; give it with --format, one of {Names}");
    }
}

/// <summary>What an export came to.</summary>
/// <param name="Files">What is to be written, the main file last: who sees it finds the others.</param>
/// <param name="Lines">For the user: what it is, and how closely it agrees with the checkpoint.</param>
internal sealed record Exported(IReadOnlyList<ExportedFile> Files, IReadOnlyList<string> Lines);

/// <summary>A file to be written.</summary>
/// <param name="Path">Where to.</param>
/// <param name="Content">All of it.</param>
internal sealed record ExportedFile(string Path, ReadOnlyMemory<byte> Content);
