using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Logs of executions in the store, <c>logs/&lt;key&gt;.jsonl</c>: a line of JSON for each line of the log.</summary>
/// <param name="blobs">Folder or bucket that holds them.</param>
internal sealed class ExecutionLogs(IBlobs blobs)
{
    /// <summary>Lines that are kept of an execution: the last ones.</summary>
    public const int MostLines = 1000;

    /// <summary>Characters that are kept of a line.</summary>
    public const int MostCharacters = 1000;

    private const int LineBreak = '\n';

    public ExecutionLogs(HostingSettings settings)
        : this(Blobs.Of(settings, "logs"))
    {
    }

    /// <summary>True: a write is a transfer, and there had better be few.</summary>
    internal bool IsRemote => blobs.IsRemote;

    /// <summary>The lines of an execution; empty where there are none. Lines that cannot be read are left out.</summary>
    public IReadOnlyList<LogLine> Read(string key)
    {
        var lines = new List<LogLine>();
        using var file = blobs.Open(NameOf(key));
        if (file is null) return lines;
        using var reader = new StreamReader(file);
        while (reader.ReadLine() is { } text)
        {
            try
            {
                if (JsonSerializer.Deserialize<LogLine>(text, LatheJson.Options) is { Text: not null } line) lines.Add(line);
            }
            catch (JsonException)
            {
                // Nobody but a person has written it.
            }
        }

        return lines;
    }

    /// <summary>Writes all lines of an execution, whole or not at all.</summary>
    internal void Write(string key, IReadOnlyCollection<LogLine> lines) => blobs.Write(stream =>
    {
        foreach (var line in lines)
        {
            JsonSerializer.Serialize(stream, line, LatheJson.Options);
            stream.WriteByte(LineBreak);
        }

        return NameOf(key);
    });

    private static string NameOf(string key) => StoreKey.Checked(key) + ".jsonl";
}
