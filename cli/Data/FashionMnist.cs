using System.IO.Compression;
using System.Security.Cryptography;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Data;

/// <summary>
/// Gets Fashion-MNIST (Xiao, Rasul, Vollgraf 2017; MIT licence) from its authors, for machines without Debian's package of it.
/// </summary>
/// <param name="http">Client to download with.</param>
/// <param name="address">Folder on the web that holds the four files; ends in a slash.</param>
/// <param name="say">Prints one line for the user.</param>
internal sealed class FashionMnist(HttpClient http, Uri address, Action<string> say)
{
    public const string Name = "fashion-mnist";

    private const string Install = "apt-get install dataset-fashion-mnist";

    /// <summary>Where the authors keep the files; http only, which the digests make good.</summary>
    public static readonly Uri Official = new("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/");

    /// <summary>
    /// SHA-256 of the decompressed files, the same in the authors' archives and in Debian's package, which compresses them anew.
    /// </summary>
    public static readonly IReadOnlyDictionary<string, string> Digests = new Dictionary<string, string>
    {
        ["train-images-idx3-ubyte"] = "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ["train-labels-idx1-ubyte"] = "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ["t10k-images-idx3-ubyte"] = "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ["t10k-labels-idx1-ubyte"] = "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    };

    /// <summary>Puts the files where workers look for them.</summary>
    /// <param name="settings">Its home takes what is downloaded.</param>
    /// <param name="stop">Cancels it.</param>
    /// <exception cref="LatheException">They cannot be had; says why and what to do.</exception>
    public Task GetAsync(HostingSettings settings, CancellationToken stop) =>
        DownloadAsync(Path.Combine(settings.Home, "data", Name), Digests, stop);

    /// <summary>Downloads the files; each is renamed to its place only when its digest was right.</summary>
    /// <param name="folder">Takes the files.</param>
    /// <param name="digests">File names without <c>.gz</c>, each with the SHA-256 of its decompressed content.</param>
    /// <param name="stop">Cancels it.</param>
    public async Task DownloadAsync(string folder, IReadOnlyDictionary<string, string> digests, CancellationToken stop)
    {
        say($"downloading Fashion-MNIST (30 MB) from {address} to {folder}; Debian's package would do as well ({Install}) ...");
        foreach (var (file, digest) in digests)
        {
            var path = Path.Combine(folder, file + ".gz");
            if (File.Exists(path) && ContentDigest(await File.ReadAllBytesAsync(path, stop)) == digest) continue;
            var from = new Uri(address, file + ".gz");
            var bytes = await FetchAsync(from, stop);
            if (ContentDigest(bytes) is var found && found != digest)
            {
                throw new LatheException(
                    $"{from} is not the file expected: its content has SHA-256 {found ?? "(it does not decompress)"}, expected {digest}. "
                    + $"Nothing was kept. Try again, or put the four files into a folder and name it with --data");
            }

            AtomicFile.Write(path, stream => stream.Write(bytes));
        }
    }

    private async Task<byte[]> FetchAsync(Uri from, CancellationToken stop)
    {
        try
        {
            return await http.GetByteArrayAsync(from, stop);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException
            || (exception is OperationCanceledException && !stop.IsCancellationRequested))
        {
            throw new LatheException(
                $"Fashion-MNIST is not on this machine and {from} could not be downloaded: {exception.Message.TrimEnd('.')}. "
                + $"Go on line, or install Debian's package ({Install}), "
                + $"or put {string.Join(", ", Digests.Keys)} (plain or .gz) into a folder and name it with --data or {HostingSettings.DataVariable}",
                FailureKind.Transient, exception);
        }
    }

    /// <summary>SHA-256 of the decompressed bytes; null if they cannot be decompressed.</summary>
    private static string? ContentDigest(byte[] bytes)
    {
        try
        {
            using var stream = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress);
            return Convert.ToHexStringLower(SHA256.HashData(stream));
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }
}
