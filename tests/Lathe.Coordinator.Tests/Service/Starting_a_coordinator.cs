using System.Diagnostics;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator.Tests;

/// <summary>What keeps a coordinator from working is said at its start.</summary>
public sealed class Starting_a_coordinator
{
    [Fact]
    public async Task A_home_that_cannot_be_written_ends_it_with_one_line()
    {
        var file = Path.GetTempFileName();
        try
        {
            // Not even root makes a folder below a file. The program's database is elsewhere, and it would name the broker that it lacks if it did not look at its home first.
            Assert.StartsWith($"the home {Path.Combine(file, "home")} cannot be written", Assert.Throws<LatheException>(() => CoordinatorHost.CheckHome(Path.Combine(file, "home"))).Message);
            var program = await EndOfProgramAsync(Path.Combine(file, "home"));
            Assert.Equal(StageHost.UserError, program.ExitCode);
            Assert.StartsWith($"lathe coordinator: the home {Path.Combine(file, "home")} cannot be written", Assert.Single(program.Errors));
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static async Task<(int ExitCode, string[] Errors)> EndOfProgramAsync(string home)
    {
        using var program = Process.Start(new ProcessStartInfo("dotnet", [typeof(CoordinatorHost).Assembly.Location])
        {
            RedirectStandardError = true,
            Environment =
            {
                [HostingSettings.HomeVariable] = home, [DatabaseAddress.Variable] = "postgres://nobody@127.0.0.1:1/none", [HostingSettings.BrokerVariable] = "",
                [CoordinatorHost.HttpVariable] = "http://127.0.0.1:0",
            },
        })!;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        try
        {
            var errors = await program.StandardError.ReadToEndAsync(limit.Token);
            await program.WaitForExitAsync(limit.Token);
            return (program.ExitCode, errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }
        finally
        {
            if (!program.HasExited) program.Kill();
        }
    }
}
