using Lathe.Testing;

namespace Lathe.Hosting.Tests;

/// <summary>Tests that share one S3-speaking server.</summary>
[CollectionDefinition(Name)]
public sealed class BucketTests : ICollectionFixture<S3Server>
{
    public const string Name = "bucket";
}

/// <summary>An empty store of a test's own, in a folder or in a bucket.</summary>
public sealed class Shelf : IDisposable
{
    public const string Folder = "folder";
    public const string Bucket = "bucket";

    private readonly TemporaryFolder _folder = new();

    /// <summary>Skips the test where it needs a server that is not here.</summary>
    public Shelf(string kind, S3Server server)
    {
        Assert.SkipWhen(kind == Bucket && server.Missing is not null, server.Missing ?? "");
        Settings = HostingSettings.In(_folder.Path) with
        {
            Store = kind == Folder ? Path.Combine(_folder.Path, "store") : server.NewPlace(),
            Buckets = server.Access,
        };
    }

    public static TheoryData<string> Kinds => [Folder, Bucket];

    public HostingSettings Settings { get; }

    internal IBlobs Blobs => Hosting.Blobs.Of(Settings);

    /// <summary>Files of this machine below its home, the copies of a bucket among them.</summary>
    public IReadOnlyList<string> Files => Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories);

    public void Put(string name, params byte[] content) => Blobs.Write(stream =>
    {
        stream.Write(content);
        return name;
    });

    public byte[]? Content(string name)
    {
        using var stream = Blobs.Open(name);
        if (stream is null) return null;
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    public void Dispose() => _folder.Dispose();
}
