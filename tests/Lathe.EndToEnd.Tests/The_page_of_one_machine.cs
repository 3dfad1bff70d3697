using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;

namespace Lathe.EndToEnd.Tests;

/// <summary><c>lathe run --ui</c>, <c>lathe ui</c> and <c>lathe logs</c>: what the web page stands on, with real stages.</summary>
public sealed class The_page_of_one_machine
{
    private const string Compiler = "/usr/bin/gcc";

    [Fact]
    public async Task A_run_is_looked_at_exported_and_started_again_over_HTTP()
    {
        using var scene = new Scene();
        await using (var run = LatheProcess.Start("lathe", ["run", scene.SweepFile, "--ui", "--set", "quantize.activations=8"], scene.Environment))
        {
            var address = (await run.WaitForLineAsync(l => l.StartsWith("lathe: web page: http://127.0.0.1:", StringComparison.Ordinal), Scene.Limit)).Split(' ')[^1];
            await run.WaitForLineAsync(l => l.EndsWith("until Ctrl-C", StringComparison.Ordinal), Scene.Limit);
            using var client = new HttpClient { BaseAddress = new Uri(address) };
            Assert.Equal("succeeded", (await client.GetFromJsonAsync<JsonElement>("/sweeps"))[0].GetProperty("state").GetString());
            await ComparesAsync(client);
            await ExportsAsync(client, scene);
            Interrupt(run);
            Assert.Equal(0, await run.WaitForExitAsync(Scene.Limit));
        }

        var (code, log) = await LatheProcess.RunAsync("lathe", ["logs", "small:0"], scene.Environment, Scene.Limit);
        Assert.True(code == 0, log);
        foreach (var part in (string[])["attempt 1 on ", "training", "epoch 2 of 2: loss ", "made "]) Assert.Contains(part, log);
        Assert.DoesNotContain("no such", log);
        Assert.Equal(2, (await LatheProcess.RunAsync("lathe", ["logs", "small:99"], scene.Environment, Scene.Limit)).ExitCode);

        await using var page = LatheProcess.Start("lathe", ["ui", "--port", "0"], scene.Environment);
        var line = await page.WaitForLineAsync(l => l.EndsWith("until Ctrl-C", StringComparison.Ordinal), Scene.Limit);
        using var again = new HttpClient { BaseAddress = new Uri(line.Split(' ').Single(w => w.StartsWith("http://", StringComparison.Ordinal))) };
        var spec = await again.GetFromJsonAsync<JsonElement>("/sweeps/small/spec");
        var submitted = await again.PostAsJsonAsync("/sweeps", new { yaml = spec.GetProperty("yaml").GetString() });
        Assert.True(submitted.IsSuccessStatusCode, await submitted.Content.ReadAsStringAsync());
        var id = (await submitted.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString();
        var status = default(JsonElement);
        await Lathe.Testing.Eventually.True(
            () => (status = again.GetFromJsonAsync<JsonElement>($"/sweeps/{id}").GetAwaiter().GetResult()).GetProperty("state").GetString() == "succeeded", "the repeated sweep is over", seconds: 60);
        Assert.All(status.GetProperty("executions").EnumerateArray(), e => Assert.Equal("cached", e.GetProperty("state").GetString()));
        Interrupt(page);
        Assert.Equal(0, await page.WaitForExitAsync(Scene.Limit));
    }

    private static async Task ComparesAsync(HttpClient client)
    {
        var compared = await client.GetFromJsonAsync<JsonElement>("/compare?executions=small:0,small:3");
        var layers = compared.GetProperty("layers").EnumerateArray().ToList();
        Assert.Contains(layers, l => l.GetProperty("channels")[1].GetInt32() < l.GetProperty("channels")[0].GetInt32());
        Assert.All(layers, l => Assert.Equal(2, l.GetProperty("bits")[1].GetInt32()));
        // Two bits are three values.
        Assert.All(layers, l => Assert.InRange(l.GetProperty("counts")[1].EnumerateArray().Count(c => c.GetInt64() > 0), 1, 3));
        Assert.NotEmpty(compared.GetProperty("panels").EnumerateArray());
        Assert.True(compared.GetProperty("executions")[1].GetProperty("figures").GetProperty("top1").GetDouble() > 0.5);
    }

    private static async Task ExportsAsync(HttpClient client, Scene scene)
    {
        var answer = await client.PostAsJsonAsync("/executions/small:2/exports", new { format = "c" });
        var made = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.True(answer.IsSuccessStatusCode, made.ToString());
        var files = made.GetProperty("files").EnumerateArray().ToList();
        Assert.Equal([".h", ".c"], files.Select(f => Path.GetExtension(f.GetProperty("name").GetString())));
        foreach (var file in files)
            await File.WriteAllBytesAsync(Path.Combine(scene.Root, file.GetProperty("name").GetString()!), await client.GetByteArrayAsync(file.GetProperty("url").GetString()));
        var onnx = await client.PostAsJsonAsync("/executions/small:2/exports", new { format = "onnx-qdq", options = new { weights = "int4" } });
        Assert.True(onnx.IsSuccessStatusCode, await onnx.Content.ReadAsStringAsync());
        var dense = await client.PostAsJsonAsync("/executions/small:0/exports", new { format = "c" });
        Assert.Equal(422, (int)dense.StatusCode);
        Assert.Contains("quantize", await dense.Content.ReadAsStringAsync());

        Assert.SkipUnless(File.Exists(Compiler), $"there is no {Compiler}: install the package gcc");
        using var gcc = Process.Start(Compiler, ["-std=c99", "-Wall", "-Wextra", "-Werror", "-c", "-o", Path.Combine(scene.Root, "net.o"), Path.Combine(scene.Root, files[1].GetProperty("name").GetString()!)])!;
        await gcc.WaitForExitAsync();
        Assert.Equal(0, gcc.ExitCode);
    }

    private static void Interrupt(LatheProcess process)
    {
        using var kill = Process.Start("kill", ["-INT", $"{process.Id}"])!;
        kill.WaitForExit();
    }
}
