using AcmeNamespace;
using Lathe.Hosting;

return await StageHost.RunAsync<SampleStage, SampleParameters>(args);
