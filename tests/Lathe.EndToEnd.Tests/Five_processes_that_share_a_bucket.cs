using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>Coordinator and workers that have nothing in common but a broker and a bucket.</summary>
public sealed class Five_processes_that_share_a_bucket(RabbitMqBroker broker, S3Server server) : IClassFixture<RabbitMqBroker>, IClassFixture<S3Server>
{
    [Fact]
    public async Task Make_the_checkpoints_of_a_run_in_folders()
    {
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        using var alone = new Scene();
        var (_, embedded) = await alone.RunEmbeddedAsync();

        using var scene = new Scene();
        var place = server.NewPlace();
        // The data too: the folder that the scene wrote is not named any more.
        var settings = HostingSettings.In(Path.Combine(scene.Root, "upload")) with { Store = $"{place}/data", Buckets = server.Access };
        foreach (var file in Directory.GetFiles(scene.Environment["LATHE_DATA"]))
        {
            Blobs.Of(settings).Write(stream =>
            {
                stream.Write(File.ReadAllBytes(file));
                return Path.GetFileName(file);
            });
        }

        var more = new Dictionary<string, string>(server.Environment) { ["LATHE_STORE"] = $"{place}/store", ["LATHE_DATA"] = $"{place}/data" };
        await using var cluster = await Cluster.StartAsync(scene, broker, more, apart: true);
        await using var submit = cluster.Submit(scene);
        Assert.True(await submit.WaitForExitAsync(Scene.Limit) == 0, submit.Output + cluster.Output);

        var leaves = await cluster.ResultsAsync("small");
        Assert.Equal(Scene.Digests(Assert.Single(embedded)), Scene.Digests(Assert.Single(leaves)));
        Assert.Empty(Directory.GetDirectories(scene.Home, "checkpoints", SearchOption.AllDirectories));

        var results = Blobs.Of(settings with { Store = $"{place}/store" }, "results").List("");
        Assert.Equal(4, results.Count);
        Assert.Empty(Blobs.Of(settings with { Store = $"{place}/store" }, "states").List(""));
    }
}
