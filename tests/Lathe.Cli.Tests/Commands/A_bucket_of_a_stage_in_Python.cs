using System.Diagnostics;
using System.Text;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.Cli.Tests.Commands;

/// <summary>A stage in Python and the workers of Lathe share a bucket.</summary>
public sealed class A_bucket_of_a_stage_in_Python(S3Server s3) : IClassFixture<S3Server>, IDisposable
{
    private const string Python = "/usr/bin/python3";

    /// <summary>Reads what .NET wrote, writes something of its own, and names what is missing, damaged and out of reach.</summary>
    private const string Program = """
        import os, sys, time
        from pathlib import Path
        from lathe_stage.store import CheckpointRef, InputLost, Store, StoreAway, blobs_of

        blobs = blobs_of(os.environ["LATHE_STORE"])
        store = Store(blobs, Path("cache"))
        given = CheckpointRef(sys.argv[1], int(sys.argv[2]))
        print(store.path_of(given).read_bytes().decode())
        assert blobs.read("nothing") is None
        made = store.write_checkpoint(b"from python")
        assert store.has(made) and not store.has(CheckpointRef("0" * 64, 1))
        blobs.write("gone", b"1"); blobs.delete("gone")
        assert blobs.read("gone") is None
        damaged, missing = CheckpointRef("1" * 64, 7), CheckpointRef("0" * 64, 1)
        blobs.write(damaged.name, b"damaged")
        for wrong, words in ((missing, "is not in the store"), (damaged, "is damaged")):
            try:
                store.path_of(wrong)
                sys.exit("no fault")
            except InputLost as error:
                assert words in str(error), error
        time.sleep = lambda seconds: None  # between tries
        os.environ["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:1"
        away = blobs_of(os.environ["LATHE_STORE"])
        try:
            away.write("x", b"1")
            sys.exit("no fault")
        except StoreAway as error:
            assert "cannot be written" in str(error), error
        print(made.sha256, made.bytes)
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;

    [Fact]
    public async Task Holds_checkpoints_that_both_read_and_faults_are_told_apart()
    {
        Assert.SkipUnless(s3.Missing is null, s3.Missing ?? "");
        Assert.SkipUnless(Directory.Exists("/usr/lib/python3/dist-packages/boto3"), $"{Python} with boto3 is missing; ./test installs it where it may");
        var place = s3.NewPlace();
        var settings = HostingSettings.In(_folder) with { Store = place, Buckets = s3.Access };
        var store = new CheckpointStore(settings);
        var given = store.Write(to => to.Write("from .NET"u8));
        var start = new ProcessStartInfo(Python, ["-c", Program, given.Sha256, $"{given.Bytes}"]) { WorkingDirectory = _folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in s3.Environment) start.Environment[name] = value;
        start.Environment["LATHE_STORE"] = place;
        start.Environment["PYTHONPATH"] = Path.Combine(Checkout.Root, "sdk", "python");
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";

        using var python = Process.Start(start)!;
        var errors = python.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var lines = (await python.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).Split('\n');
        await python.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.True(python.ExitCode == 0, await errors);
        Assert.Equal("from .NET", lines[0]);
        var made = lines[1].Split(' ');
        Assert.Equal("from python", await File.ReadAllTextAsync(store.PathOf(new Contracts.CheckpointRef(made[0], long.Parse(made[1], System.Globalization.CultureInfo.InvariantCulture)))));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
