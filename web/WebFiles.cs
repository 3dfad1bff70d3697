using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;

namespace Lathe.Web;

/// <summary>
/// The files of the page, which lie in this assembly. Their addresses contain a digest of all of them, so that a browser keeps them for ever and
/// a new version never mixes with an old one.
/// </summary>
internal sealed class WebFiles
{
    private const string IndexName = "index.html";
    private const string VersionMark = "{version}";

    private readonly FrozenDictionary<string, WebFile> _files;

    private WebFiles(string version, WebFile index, FrozenDictionary<string, WebFile> files) => (Version, Index, _files) = (version, index, files);

    /// <summary>Digest of all files.</summary>
    public string Version { get; }

    /// <summary>The document that loads the others.</summary>
    public WebFile Index { get; }

    /// <summary>A file by its path below the version, <c>pages/sweep.js</c>; null: there is none.</summary>
    public WebFile? Find(string path) => _files.GetValueOrDefault(path);

    /// <summary>Reads them from the assembly.</summary>
    public static WebFiles Load()
    {
        var assembly = typeof(WebFiles).Assembly;
        var contents = assembly.GetManifestResourceNames().Order(StringComparer.Ordinal).ToDictionary(name => name, name =>
        {
            using var stream = assembly.GetManifestResourceStream(name)!;
            var content = new byte[stream.Length];
            stream.ReadExactly(content);
            return content;
        });
        using var all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, content) in contents)
        {
            all.AppendData(Encoding.UTF8.GetBytes(name));
            all.AppendData(SHA256.HashData(content));
        }

        var version = Convert.ToHexStringLower(all.GetHashAndReset())[..16];
        var index = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(contents[IndexName]).Replace(VersionMark, version, StringComparison.Ordinal));
        return new WebFiles(
            version,
            new WebFile(IndexName, index),
            contents.Where(c => c.Key != IndexName).Select(c => new WebFile(c.Key, c.Value)).ToFrozenDictionary(f => f.Name, StringComparer.Ordinal));
    }
}
