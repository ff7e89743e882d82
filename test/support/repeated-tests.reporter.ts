import type { Reporter, TestModule } from 'vitest/node';

/** Lists the tests that passed only when CI repeated them: each is a defect of the test or of Machi. */
export class RepeatedTestsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests('passed')]);
    const repeated = tests.filter((test) => test.diagnostic()?.flaky);
    if (repeated.length === 0) return;
    process.stdout.write('\nPassed only when repeated:\n');
    for (const { module, fullName } of repeated) process.stdout.write(`  ${module.relativeModuleId}: ${fullName}\n`);
  }
}
