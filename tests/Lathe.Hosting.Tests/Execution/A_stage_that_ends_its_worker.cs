using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Testing;
using Lathe.Testing.Rude;

namespace Lathe.Hosting.Tests;

/// <summary>Faults of a stage that would end its process: each ends the execution in words, and no other worker.</summary>
[Collection(BrokerTests.Name)]
public sealed class A_stage_that_ends_its_worker(RabbitMqBroker broker)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(40);

    [Fact]
    public void An_exception_of_native_code_reaches_whoever_runs_the_stage()
    {
        using var folder = new TemporaryFolder();
        var trial = new StageTrial(HostingSettings.In(folder.Path));
        var error = Assert.Throws<NativeException>(() => trial.Run<RudeStage, Rudeness>(new Rudeness("native")));
        Assert.Equal("the shapes do not fit", error.Message);
        Assert.Contains("RudeStage.Run", error.StackTrace, StringComparison.Ordinal);
        trial.Run<RudeStage, Rudeness>(new Rudeness("not"));
    }

    [Fact]
    public async Task Its_worker_goes_on_after_an_exception_of_native_code_and_ends_after_ten()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        await using var worker = await Worker.StartAsync(workshop.Settings, broker);
        for (var steps = 1; steps < WorkerShutdown.MostStanding; steps++)
        {
            var failed = await AskAsync<StageFailed>(workshop, new Rudeness("native", steps));
            Assert.Equal((FailureKind.Permanent, "NativeException: the shapes do not fit (a fault in the stage; the worker's log has the details)"), (failed.Kind, failed.Message));
        }

        await AskAsync<StageCompleted>(workshop, new Rudeness("not"));
        await AskAsync<StageFailed>(workshop, new Rudeness("native", WorkerShutdown.MostStanding));
        var (code, log) = await worker.EndAsync();
        Assert.Equal(StageHost.StageFault, code);
        Assert.Contains("what it held stays in memory until this process ends", log, StringComparison.Ordinal);
        Assert.Contains("the worker ends, so that the memory of 10 such executions is free; start it again", log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("thread", "InvalidOperationException on a thread of its own, where nobody catches it: lost on the way")]
    [InlineData("nativeThread", "NativeException on a thread of its own, where nobody catches it: the shapes do not fit")]
    public async Task An_exception_on_a_thread_of_its_own_ends_the_worker_which_says_so_before(string how, string words)
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        await using var worker = await Worker.StartAsync(workshop.Settings, broker);
        var failed = await AskAsync<StageFailed>(workshop, new Rudeness(how));
        Assert.Equal((FailureKind.Permanent, $"{words} (a fault in the stage; it ended the worker, whose log has the details)"), (failed.Kind, failed.Message));
        var (code, log) = await worker.EndAsync();
        Assert.NotEqual(0, code);
        Assert.Contains(
            $"an exception that nobody catches ends this worker, on a thread that is not the stage's own, while it computed rude {failed.Key}: {words.Split(": ")[1]}",
            log, StringComparison.Ordinal);
        // The message is done, and kills nobody else.
        await Eventually.True(() => workshop.Sender.QueueAsync("rude", "1").GetAwaiter().GetResult() is { Waiting: 0, Workers: 0 }, "no message is left");
        Assert.All(Directory.GetFiles(Path.Combine(workshop.Settings.Store, "states")), file => Assert.Contains("\"attempts\":0", File.ReadAllText(file), StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_next_worker_says_that_the_one_before_died_in_the_middle()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        await SendAsync(workshop, new Rudeness("kill"));
        await using (var first = await Worker.StartAsync(workshop.Settings, broker)) await first.EndAsync();
        await using var second = await Worker.StartAsync(workshop.Settings, broker);
        var (_, log) = await second.EndAsync();
        Assert.Contains(
            $"a worker on {Environment.MachineName} died while it computed this, before it saved a state; that makes 1, and after 5 the execution fails",
            log, StringComparison.Ordinal);
    }

    private static async Task<ExecuteStage> SendAsync(Workshop workshop, Rudeness parameters)
    {
        var json = JsonSerializer.SerializeToElement(parameters, LatheJson.Options);
        var key = ExecutionKey.Compute(RudeStage.Manifest, json, null, null, 1, null, null);
        var command = new ExecuteStage(Guid.NewGuid(), Guid.NewGuid(), key, "rude", "1", json, null, null, 1, 1, false, workshop.Queue, null, null, DateTimeOffset.UtcNow);
        await workshop.Sender.SendAsync(command, null);
        return command;
    }

    private static async Task<T> AskAsync<T>(Workshop workshop, Rudeness parameters)
        where T : class, IStageReport
    {
        var command = await SendAsync(workshop, parameters);
        // A process takes a while to start on a machine that is busy.
        return await workshop.Inbox.Next<T>(r => r.ExecutionId == command.ExecutionId, Limit.TotalSeconds);
    }

    /// <summary>A process.</summary>
    private sealed class Worker : IAsyncDisposable
    {
        private readonly Process _process;
        private readonly StringBuilder _log = new();
        private readonly TaskCompletionSource _speaks = new(TaskCreationOptions.RunContinuationsAsynchronously);

        private Worker(HostingSettings settings, RabbitMqBroker broker)
        {
            var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Lathe.Testing.Rude"), ["--threads", "1", "--compute-slots", "1"]) { RedirectStandardError = true };
            (start.Environment[HostingSettings.BrokerVariable], start.Environment[HostingSettings.HomeVariable]) = (broker.Address, settings.Home);
            // Its own compute slots: other programs of this machine may hold the usual ones.
            start.Environment["TMPDIR"] = settings.Home;
            start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
            _process = new Process { StartInfo = start };
            _process.ErrorDataReceived += (_, line) =>
            {
                lock (_log) _log.AppendLine(line.Data);
                _speaks.TrySetResult();
            };
            _process.Start();
            _process.BeginErrorReadLine();
        }

        /// <summary>Starts one. Once in many runs a process had not come to its first line after a minute, for a reason that was not found: another one is started then, and the output says so.</summary>
        public static async Task<Worker> StartAsync(HostingSettings settings, RabbitMqBroker broker)
        {
            var worker = new Worker(settings, broker);
            try
            {
                await worker._speaks.Task.WaitAsync(Silence);
                return worker;
            }
            catch (TimeoutException)
            {
                TestContext.Current.TestOutputHelper?.WriteLine($"process {worker._process.Id} said nothing for {Silence.TotalSeconds:0} s: {await File.ReadAllTextAsync($"/proc/{worker._process.Id}/status")}");
                await worker.DisposeAsync();
                return new Worker(settings, broker);
            }
        }

        public async Task<(int Code, string Log)> EndAsync()
        {
            using var limit = new CancellationTokenSource(Limit);
            await _process.WaitForExitAsync(limit.Token);
            lock (_log) return (_process.ExitCode, _log.ToString());
        }

        public async ValueTask DisposeAsync()
        {
            if (!_process.HasExited) _process.Kill();
            await _process.WaitForExitAsync();
            lock (_log) TestContext.Current.TestOutputHelper?.WriteLine(_log.ToString());
            _process.Dispose();
        }
    }
}
