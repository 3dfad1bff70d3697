using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>Disks that are full or read-only under <c>lathe run</c>: it says so in one line and ends, and the same command goes on once there is room.</summary>
public sealed class A_disk_that_fails
{
    private const string Sweep = """
        name: many
        model: lenet5
        dataset: fashion-mnist
        seed: [1, 2, 3, 4]
        stages:
          - train: { epochs: 1 }
          - prune: { multiplications: 0.5, epochs: 1 }
        """;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_full_disk_ends_a_run_with_one_line_and_the_same_command_finishes_it(bool isUnderDatabase)
    {
        Assert.SkipWhen(SmallDisk.Missing is not null, SmallDisk.Missing ?? "");
        using var scene = new Scene();
        using var disk = SmallDisk.Mount(24);
        var environment = Environment(scene, disk, isUnderDatabase);
        await using (var run = LatheProcess.Start("lathe", ["run", scene.SweepFile], environment))
        {
            // On a busy machine a stage may end before its start is seen, so the end of the first is what can be waited for.
            await run.WaitForLineAsync(line => line.Contains("train: done", StringComparison.Ordinal), Scene.Limit);
            disk.Fill();
            Assert.True(await run.WaitForExitAsync(Scene.Limit) == 1, run.Output);
            Assert.Contains(isUnderDatabase ? "cannot be written: SQLite Error 13" : "the disk is full (No space left on device", run.Output, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", run.Output, StringComparison.Ordinal);
            Assert.DoesNotContain("fault in", run.Output, StringComparison.Ordinal);
            Assert.DoesNotContain("a bug in Lathe", run.Output, StringComparison.Ordinal);
        }

        Assert.Empty(Directory.GetFiles(disk.Folder, "*.writing", SearchOption.AllDirectories));
        disk.MakeRoom();
        var (code, output) = await LatheProcess.RunAsync("lathe", ["run", scene.SweepFile], environment, Scene.Limit);
        Assert.True(code == 0, output);
        // What was trained is not trained again.
        Assert.Contains("train: cached", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_read_only_home_is_named_and_what_it_holds_can_be_read()
    {
        Assert.SkipWhen(SmallDisk.Missing is not null, SmallDisk.Missing ?? "");
        using var scene = new Scene();
        using var disk = SmallDisk.Mount(24);
        var environment = Environment(scene, disk, isHome: true);
        File.WriteAllText(scene.SweepFile, Sweep.Replace("[1, 2, 3, 4]", "1", StringComparison.Ordinal));
        var (code, output) = await LatheProcess.RunAsync("lathe", ["run", scene.SweepFile], environment, Scene.Limit);
        Assert.True(code == 0, output);
        disk.SetReadOnly(true);

        foreach (var command in (string[][])[["run", scene.SweepFile, "--set", "seed=2"], ["doctor"]])
        {
            (code, output) = await LatheProcess.RunAsync("lathe", command, environment, Scene.Limit);
            Assert.True(code is 1 or 2, $"{code}: {output}");
            Assert.Contains("cannot be written", output, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
            Assert.DoesNotContain("a bug in Lathe", output, StringComparison.Ordinal);
        }

        foreach (var command in (string[][])[["status"], ["results", "many"]])
        {
            (code, output) = await LatheProcess.RunAsync("lathe", command, environment, Scene.Limit);
            Assert.True(code == 0, $"{command[0]} ended with {code}: {output}");
        }

        disk.SetReadOnly(false);
    }

    [Fact]
    public async Task A_read_only_store_is_no_fault_in_the_stage()
    {
        Assert.SkipWhen(SmallDisk.Missing is not null, SmallDisk.Missing ?? "");
        using var scene = new Scene();
        using var disk = SmallDisk.Mount(24);
        var environment = Environment(scene, disk, isHome: false);
        Directory.CreateDirectory(environment["LATHE_STORE"]);
        disk.SetReadOnly(true);
        var (code, output) = await LatheProcess.RunAsync("lathe", ["run", scene.SweepFile], environment, Scene.Limit);
        Assert.True(code == 1, $"{code}: {output}");
        Assert.Contains("a file or folder of this worker cannot be used (Read-only file system", output, StringComparison.Ordinal);
        Assert.DoesNotContain("a fault in the stage", output, StringComparison.Ordinal);
        disk.SetReadOnly(false);
    }

    /// <summary>A small sweep over few images, with the home or the store on a disk.</summary>
    private static Dictionary<string, string> Environment(Scene scene, SmallDisk disk, bool isHome)
    {
        File.WriteAllText(scene.SweepFile, Sweep);
        SmallFashion.Write(Path.Combine(scene.Root, "data"), train: 512, test: 200);
        var environment = scene.Environment;
        environment[isHome ? "LATHE_HOME" : "LATHE_STORE"] = Path.Combine(disk.Folder, "here");
        if (isHome) environment["LATHE_STORE"] = Path.Combine(scene.Root, "store");
        return environment;
    }
}
