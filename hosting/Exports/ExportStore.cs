using System.Security.Cryptography;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;

namespace Lathe.Hosting;

/// <summary>Exports in the store, <c>exports/&lt;digest of the checkpoint&gt;/&lt;format&gt;/&lt;file&gt;</c>, and beside them what they are, written last: <c>&lt;format&gt;.json</c>.</summary>
/// <param name="blobs">Folder or bucket that holds them.</param>
internal sealed class ExportStore(IBlobs blobs)
{
    private const string Extension = ".json";

    public ExportStore(HostingSettings settings)
        : this(Blobs.Of(settings, "exports"))
    {
    }

    /// <summary>An export; null: there is none yet.</summary>
    public StoredExport? Find(string sha256, string format, IReadOnlyDictionary<string, string> options) => Read($"{Folder(sha256)}{NameOf(format, options)}{Extension}");

    /// <summary>All exports of a checkpoint.</summary>
    public IReadOnlyList<StoredExport> List(string sha256) =>
        [.. blobs.List(Folder(sha256)).Where(b => b.Name.EndsWith(Extension, StringComparison.Ordinal)).Select(b => Read(b.Name)).OfType<StoredExport>()];

    /// <summary>A local file with the content of one of an export's files; null: it is gone.</summary>
    public string? PathOf(string sha256, StoredExport export, StoredFile file) => blobs.FileOf($"{Folder(sha256)}{NameOf(export.Format, export.Options)}/{file.Name}");

    /// <summary>Keeps an export.</summary>
    internal StoredExport Write(ExportCheckpoint request, ExportOutcome outcome)
    {
        var name = NameOf(request.Format, request.Options);
        var files = outcome.Files.Select(f =>
        {
            if (f.Name != Path.GetFileName(f.Name) || f.Name is "" or "." or "..") throw new LatheException($"the exporter names a file '{f.Name}', expected a name without a folder");
            return new StoredFile(f.Name, f.Content.Length, Convert.ToHexStringLower(SHA256.HashData(f.Content.Span)));
        }).ToList();
        foreach (var (file, content) in outcome.Files)
        {
            blobs.Write(stream =>
            {
                stream.Write(content.Span);
                return $"{Folder(request.Sha256)}{name}/{file}";
            });
        }

        var export = new StoredExport(request.Format, request.Options, files, outcome.Lines);
        blobs.Write(stream =>
        {
            JsonSerializer.Serialize(stream, export, LatheJson.Options);
            return $"{Folder(request.Sha256)}{name}{Extension}";
        });
        return export;
    }

    private StoredExport? Read(string name)
    {
        try
        {
            using var file = blobs.Open(name);
            return file is not null && JsonSerializer.Deserialize<StoredExport>(file, LatheJson.Options) is { Format: not null, Options: not null, Files: not null, Lines: not null } export ? export : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Folder(string sha256) => StoreKey.Checked(sha256) + "/";

    private static string NameOf(string format, IReadOnlyDictionary<string, string> options) =>
        string.Join('.', options.OrderBy(o => o.Key, StringComparer.Ordinal).Select(o => $"{o.Key}-{o.Value}").Prepend(format));
}
