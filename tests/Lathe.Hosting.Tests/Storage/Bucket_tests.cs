using System.Net;
using System.Security.Cryptography;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Hosting.Tests;

/// <summary>What is a bucket's own, beside what every store promises.</summary>
[Collection(BucketTests.Name)]
public sealed class BucketStoreTests(S3Server server)
{
    private static readonly string Key = new('b', 64);

    [Fact]
    public void A_long_training_state_goes_and_comes_in_parts_and_leaves_nothing_here()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        var attempt = new TrainingStateStore(shelf.Settings).Begin(Key, null, TimeProvider.System);
        var content = RandomNumberGenerator.GetBytes((40 << 20) + 5);
        attempt.Save(stream => stream.Write(content));
        using (var state = attempt.Open())
        {
            var found = new byte[content.Length];
            state!.ReadExactly(found);
            Assert.Equal((-1, content.Length), (state.ReadByte(), state.Length));
            Assert.True(content.AsSpan().SequenceEqual(found));
        }

        Assert.Equal([1, 2, 3], Enumerable.Range(1, 4).Where(part => server.Log.Contains($"partNumber={part}&", StringComparison.Ordinal)));
        Assert.Empty(shelf.Files);
    }

    [Fact]
    public void A_copy_that_went_bad_on_this_machine_is_fetched_again()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        var store = new CheckpointStore(shelf.Settings);
        var checkpoint = store.Write(stream => stream.Write([1, 2, 3]));
        File.WriteAllBytes(store.PathOf(checkpoint), [1, 2, 4]);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(store.PathOf(checkpoint)));
    }

    [Fact]
    public void A_copy_of_what_is_gone_from_the_bucket_does_not_count()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        var store = new CheckpointStore(shelf.Settings);
        var checkpoint = store.Write(stream => stream.Write([1, 2, 3]));
        Assert.True(store.Has(checkpoint));
        shelf.Blobs.Delete($"{checkpoint.Sha256[..2]}/{checkpoint.Sha256}.safetensors");
        Assert.False(store.Has(checkpoint));
    }

    [Fact]
    public void A_checkpoint_is_looked_for_without_a_transfer()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        var store = new CheckpointStore(shelf.Settings);
        var checkpoint = store.Write(stream => stream.Write([1, 2, 3]));
        Assert.True(store.Exists(checkpoint));
        Assert.False(store.Exists(checkpoint with { Bytes = 4 }));
        Assert.False(store.Exists(new CheckpointRef(Key, 3)));
        Assert.Empty(shelf.Files);
    }

    [Fact]
    public void Copies_take_no_more_room_than_they_may_and_what_is_used_stays()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        var store = new CheckpointStore(shelf.Settings with { CacheBytes = 250 });
        var checkpoints = Enumerable.Range(0, 5).Select(i => store.Write(stream => stream.Write([.. Enumerable.Repeat((byte)i, 100)]))).ToList();
        var paths = checkpoints.Take(4).Select(store.PathOf).ToList();
        // Just handed out, all of them.
        Assert.All(paths, path => Assert.True(File.Exists(path)));
        var abandoned = Path.Combine(shelf.Settings.Home, "cache", "store", ".1.writing");
        File.WriteAllText(abandoned, "left");
        File.SetLastWriteTimeUtc(abandoned, DateTime.UtcNow.AddDays(-2));
        foreach (var (i, path) in paths.Index()) File.SetLastAccessTimeUtc(path, DateTime.UtcNow.AddHours(i - 10));

        using (File.OpenRead(paths[0]))
        {
            File.SetLastAccessTimeUtc(paths[0], DateTime.UtcNow.AddHours(-10));
            store.PathOf(checkpoints[2]);
            var last = store.PathOf(checkpoints[4]);
            // The oldest is open, the third was used again and the last is new.
            Assert.Equal([true, false, true, false, true], paths.Append(last).Select(File.Exists));
        }

        Assert.False(File.Exists(abandoned));
        Assert.Equal(100, File.ReadAllBytes(store.PathOf(checkpoints[1])).Length);
    }

    [Fact]
    public void A_bucket_that_is_not_there_is_named_with_its_server()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        Refused(shelf.Settings with { Store = "s3://no-such-bucket/x" }, FailureKind.Permanent, $"there is no bucket 'no-such-bucket' at http://127.0.0.1:{server.Port}");
    }

    [Fact]
    public void Wrong_credentials_are_named_and_never_shown()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        var message = Refused(
            With(shelf.Settings, (BucketAccess.KeyVariable, "nobody"), (BucketAccess.SecretVariable, "hidden")), FailureKind.Permanent, "does not accept the credentials");
        Assert.Contains("AWS_ACCESS_KEY_ID", message, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_credentials_it_says_what_to_set()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        Assert.SkipWhen(Environment.GetEnvironmentVariable(BucketAccess.KeyVariable) is not null, "this process has credentials of its own");
        // Where else the SDK would look: this machine's role, its user's profile.
        Environment.SetEnvironmentVariable("AWS_EC2_METADATA_DISABLED", "true");
        Environment.SetEnvironmentVariable("AWS_SHARED_CREDENTIALS_FILE", Path.Combine(shelf.Settings.Home, "none"));
        Refused(With(shelf.Settings, (BucketAccess.KeyVariable, ""), (BucketAccess.SecretVariable, "")), FailureKind.Permanent, "there are no credentials for s3://");
    }

    // The tests' server knows no permissions and compares no secrets.
    [Theory]
    [InlineData("SignatureDoesNotMatch", HttpStatusCode.Forbidden, FailureKind.Permanent, "does not accept the credentials for s3://b/x/name")]
    [InlineData("AccessDenied", HttpStatusCode.Forbidden, FailureKind.Permanent, "s3://b/x/name may not be used with these credentials (AccessDenied, http://s): they need s3:ListBucket")]
    [InlineData("AuthorizationHeaderMalformed", HttpStatusCode.BadRequest, FailureKind.Permanent, "set AWS_REGION")]
    [InlineData("PreconditionFailed", HttpStatusCode.PreconditionFailed, FailureKind.Transient, "was replaced")]
    [InlineData("MethodNotAllowed", HttpStatusCode.MethodNotAllowed, FailureKind.Permanent, "http://s refuses s3://b/x/name (MethodNotAllowed)")]
    [InlineData("SlowDown", HttpStatusCode.ServiceUnavailable, FailureKind.Transient, "http://s failed on s3://b/x/name (SlowDown)")]
    public void What_a_server_answers_becomes_one_line(string code, HttpStatusCode status, FailureKind kind, string expected)
    {
        var answer = new Amazon.S3.AmazonS3Exception("no", Amazon.Runtime.ErrorType.Sender, code, "1", status);
        var told = BucketFaults.Tell(answer, BucketAddress.Parse("s3://b-b/x") with { Bucket = "b" }, "http://s", "name");
        Assert.Equal(kind, told.Kind);
        Assert.Contains(expected, told.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("s3://")]
    [InlineData("s3://B")]
    [InlineData("s3://bucket/a//b")]
    [InlineData("s3://bucket/../b")]
    public void A_setting_that_is_no_bucket_is_refused(string address) =>
        Assert.StartsWith(
            $"LATHE_STORE is '{address}'; expected s3://BUCKET",
            Assert.Throws<LatheException>(() => HostingSettings.Load([], name => name == "LATHE_STORE" ? address : null)).Message,
            StringComparison.Ordinal);

    [Fact]
    public void A_bucket_may_be_the_store_and_the_place_of_data()
    {
        var settings = HostingSettings.Load(["--store", "s3://bucket/some/where/", "--data=s3://data"], _ => null);
        Assert.Equal(("s3://bucket/some/where", "s3://data"), (settings.Store, settings.Data));
    }

    [Fact]
    public void A_server_that_does_not_answer_is_worth_another_try()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        var nowhere = $"http://127.0.0.1:{PrivateServer.FreePort()}";
        Refused(With(shelf.Settings, (BucketAccess.S3EndpointVariable, nowhere)), FailureKind.Transient, $"{nowhere} does not answer for {shelf.Settings.Store}");
    }

    [Fact]
    public void An_address_that_is_none_is_named_with_its_variable()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        Refused(With(shelf.Settings, (BucketAccess.S3EndpointVariable, "minio:9000")), FailureKind.Permanent, "AWS_ENDPOINT_URL_S3 is 'minio:9000'; expected http://");
    }

    [Fact]
    public async Task A_worker_whose_bucket_is_not_there_does_not_start()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        await using var workshop = new Workshop(settings: s => s with { Buckets = server.Access, Store = "s3://no-such-bucket" });
        var error = await Assert.ThrowsAsync<LatheException>(workshop.StartAsync);
        Assert.Contains("there is no bucket 'no-such-bucket'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_computes_once_and_keeps_everything_in_the_bucket()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        await using var workshop = new Workshop(settings: s => s with { Buckets = server.Access, Store = shelf.Settings.Store });
        await workshop.StartAsync();
        var command = workshop.Command(new ToyCounting());
        await workshop.Sender.SendAsync(command, null);
        var first = await workshop.Completed(command);
        var again = workshop.Command(new ToyCounting());
        await workshop.Sender.SendAsync(again, null);
        Assert.Equal(first.Output, (await workshop.Completed(again)).Output);
        Assert.True(new CheckpointStore(shelf.Settings).Has(first.Output));
        Assert.NotNull(new ResultStore(shelf.Settings).Find(command.Key));
        Assert.False(Directory.Exists(Path.Combine(workshop.Settings.Home, "checkpoints")));
    }

    /// <summary>Every way to the store ends in the same one line, and the doctor tells it.</summary>
    private static string Refused(HostingSettings settings, FailureKind kind, string expected)
    {
        var states = new TrainingStateStore(settings);
        Action[] ways =
        [
            () => new CheckpointStore(settings).Has(new CheckpointRef(new string('a', 64), 1)),
            () => new CheckpointStore(settings).Write(stream => stream.WriteByte(1)),
            () => new ResultStore(settings).Find(new string('a', 64)),
            () => states.Begin(new string('a', 64), null, TimeProvider.System),
            () => new CheckpointStore(settings).Find("abcd"),
        ];
        string[] messages =
        [
            .. ways.Select(way =>
            {
                var error = Assert.Throws<LatheException>(way);
                Assert.Equal(kind, error.Kind);
                return error.Message;
            }),
            Doctor.Store(settings) is { Ok: false, Message: var told } ? told : "",
        ];
        Assert.All(messages, message => Assert.Contains(expected, message, StringComparison.Ordinal));
        Assert.All(messages, message => Assert.DoesNotContain('\n', message));
        return messages[0];
    }

    private static HostingSettings With(HostingSettings settings, params (string Name, string Value)[] variables)
    {
        var environment = new Dictionary<string, string>
        {
            [BucketAccess.S3EndpointVariable] = settings.Buckets.Server,
            [BucketAccess.KeyVariable] = "S3RVER",
            [BucketAccess.SecretVariable] = "S3RVER",
        };
        foreach (var (name, value) in variables) environment[name] = value;
        return settings with { Buckets = BucketAccess.From(environment.GetValueOrDefault) };
    }
}
