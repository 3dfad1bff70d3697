using System.ComponentModel;
using System.Diagnostics;
using System.Net.Sockets;
using Lathe.Hosting;
using Xunit;

namespace Lathe.Testing;

/// <summary>
/// A server of the tests' own that speaks S3: its own folder and port on 127.0.0.1, gone with the tests. Usable as a fixture. Where it is not
/// installed nothing starts, and <see cref="Missing"/> says so.
/// </summary>
public sealed class S3Server : IAsyncLifetime
{
    /// <summary>The one pair of keys that the server knows.</summary>
    private const string Key = "S3RVER";

    // It makes the tokens of long listings with a cipher that OpenSSL 3 has put away.
    private const string LegacyProvider = "--openssl-legacy-provider";

    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-s3-").FullName;
    private PrivateServer? _server;
    private int _prefixes;

    /// <summary>A bucket that is there from the start.</summary>
    public const string Bucket = "lathe-tests";

    /// <summary>Why there is no server, or null; a test that needs one is skipped with it.</summary>
    public string? Missing { get; } = Program() is null || !NodeIsUsable()
        ? "there is no s3rver in artifacts/s3-server, or no Node.js of version 17 or newer: ./test installs them where it can"
        : null;

    public int Port { get; } = PrivateServer.FreePort();

    /// <summary>What a process needs in its environment to use it.</summary>
    public Dictionary<string, string> Environment => EnvironmentAt(Port);

    /// <summary>The same by way of another port.</summary>
    public static Dictionary<string, string> EnvironmentAt(int port) => new()
    {
        [BucketAccess.S3EndpointVariable] = $"http://127.0.0.1:{port}",
        [BucketAccess.RegionVariable] = "us-east-1",
        [BucketAccess.KeyVariable] = Key,
        [BucketAccess.SecretVariable] = Key,
    };

    /// <summary>A line for each request.</summary>
    public string Log => _server?.Output ?? "";

    public BucketAccess Access => BucketAccess.From(Environment.GetValueOrDefault);

    /// <summary>A place in the bucket that no other test has.</summary>
    public string NewPlace() => $"s3://{Bucket}/test/{Interlocked.Increment(ref _prefixes)}";

    public async ValueTask InitializeAsync()
    {
        if (Missing is not null) return;
        string[] command = ["node", LegacyProvider, Program()!, "-d", _folder, "-a", "127.0.0.1", "-p", $"{Port}", "--no-vhost-buckets", "--configure-bucket", Bucket];
        _server = PrivateServer.Start(command, new Dictionary<string, string>(), "KILL");
        await _server.Ready("s3rver", async () =>
        {
            using var client = new TcpClient();
            await client.ConnectAsync("127.0.0.1", Port);
            return true;
        });
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static bool NodeIsUsable()
    {
        try
        {
            using var node = Process.Start(new ProcessStartInfo("node", [LegacyProvider, "--version"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            node.WaitForExit();
            return node.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }

    private static string? Program()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var program = Path.Combine(folder.FullName, "s3-server", "node_modules", "s3rver", "bin", "s3rver.js");
            if (File.Exists(program)) return program;
        }

        return null;
    }
}
