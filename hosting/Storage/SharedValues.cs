using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Values that executions have in common, <c>shared/&lt;digest of the name&gt;.json</c>. One that is lost or damaged is computed again.</summary>
/// <param name="blobs">Where they lie.</param>
internal sealed class SharedValues(IBlobs blobs)
{
    public SharedValues(HostingSettings settings)
        : this(Blobs.Of(settings, "shared"))
    {
    }

    /// <summary>The value of a name: from the store, or computed and kept there.</summary>
    /// <param name="name">Names all that decides the value.</param>
    /// <param name="compute">Computes it.</param>
    public T Get<T>(string name, Func<T> compute)
        where T : class
    {
        var file = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name))) + ".json";
        if (Find<T>(file, name) is { } known) return known;
        var value = compute();
        blobs.Write(stream =>
        {
            JsonSerializer.Serialize(stream, new Named<T>(name, value), LatheJson.Options);
            return file;
        });
        return value;
    }

    private T? Find<T>(string file, string name)
        where T : class
    {
        try
        {
            using var stream = blobs.Open(file);
            return stream is not null && JsonSerializer.Deserialize<Named<T>>(stream, LatheJson.Options) is { } kept && kept.Name == name ? kept.Value : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed record Named<T>(string Name, T Value);
}
