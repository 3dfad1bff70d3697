using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>
/// Exports checkpoints in a worker's process, for coordinators, which cannot compute. Whoever builds a worker adds one with <see cref="LatheBusBuilder.AddExporter"/>.
/// </summary>
public interface ICheckpointExporter
{
    /// <summary>What it can export.</summary>
    IReadOnlyList<OfferedExport> Formats { get; }

    /// <summary>Makes the files of an export in memory, and verifies them. Called on a thread of its own.</summary>
    /// <param name="request">What to export.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">The checkpoint cannot be exported so; the message reaches the person who asked.</exception>
    ExportOutcome Export(ExportRequest request, CancellationToken stop);
}

/// <summary>What to export.</summary>
/// <param name="Path">Verified file of the checkpoint.</param>
/// <param name="Sha256">Its digest.</param>
/// <param name="Name">What the files are called, without an ending.</param>
/// <param name="Format">Name of one of the exporter's formats.</param>
/// <param name="Options">A value of each of the format's options.</param>
/// <param name="Settings">Where data lie.</param>
public sealed record ExportRequest(string Path, string Sha256, string Name, string Format, IReadOnlyDictionary<string, string> Options, HostingSettings Settings);

/// <summary>What was exported.</summary>
/// <param name="Files">Name, without a folder, and content of each file.</param>
/// <param name="Lines">What they hold, and how closely they agree with the checkpoint: lines for a person.</param>
public sealed record ExportOutcome(IReadOnlyList<(string Name, ReadOnlyMemory<byte> Content)> Files, IReadOnlyList<string> Lines);
