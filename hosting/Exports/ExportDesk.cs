using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting;

/// <summary>Exports checkpoints for coordinators, one at a time, beside the work of this process.</summary>
internal sealed class ExportDesk(LatheBusBuilder parts, CheckpointStore checkpoints, ExportStore exports, HostingSettings settings, ILogger<ExportDesk> logger) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1);

    /// <summary>Whether this process can export so.</summary>
    public bool Offers(string format) => Find(format) is not null;

    /// <summary>The export, from the store where it has it.</summary>
    public async Task<CheckpointExported> AnswerAsync(ExportCheckpoint request, CancellationToken stop)
    {
        if (Problem(request) is { } problem) return new CheckpointExported(null, problem);
        await _one.WaitAsync(stop);
        try
        {
            if (exports.Find(request.Sha256, request.Format, request.Options) is { } known) return new CheckpointExported(known, null);
            var path = checkpoints.PathOf(checkpoints.Find(request.Sha256));
            var exporter = Find(request.Format)!;
            var outcome = await StageThread.Run("export", () => exporter.Export(new ExportRequest(path, request.Sha256, request.Name, request.Format, request.Options, settings), stop));
            return new CheckpointExported(exports.Write(request, outcome), null);
        }
        catch (LatheException e) when (e.Kind == FailureKind.Permanent)
        {
            return new CheckpointExported(null, e.Message);
        }
#pragma warning disable CA1031 // An exporter may throw anything; whoever asked gets an answer.
        catch (Exception e) when (e is not (LatheException or OperationCanceledException))
#pragma warning restore CA1031
        {
            logger.LogError(e, "the export of {Sha256} as {Format} failed", request.Sha256, request.Format);
            return new CheckpointExported(null, $"the export ended with {e.GetType().Name}: {e.Message}");
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private ICheckpointExporter? Find(string format) => parts.Exporters.FirstOrDefault(e => e.Formats.Any(f => f.Name == format));

    /// <summary>Names become names of files, and values come from whoever can write to the broker.</summary>
    private string? Problem(ExportCheckpoint request)
    {
        if (!StoredModel.IsDigest(request.Sha256 ?? "")) return "the request names no digest of a checkpoint";
        if (request.Name is not { Length: > 0 and <= 200 } name || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')) return "the request has no name for files";
        if (Find(request.Format)?.Formats.First(f => f.Name == request.Format) is not { } format) return $"this worker cannot export as '{request.Format}'";
        if (request.Options is null || !format.Options.All(o => request.Options.TryGetValue(o.Name, out var value) && o.Values.Contains(value)) || request.Options.Count != format.Options.Count)
            return $"the request has other options than {request.Format} takes";
        return null;
    }
}
